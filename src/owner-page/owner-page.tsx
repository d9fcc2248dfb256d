import { render } from "preact";
import { saveToken } from "../console/session.ts";
import { App } from "./owner-app.tsx";
import { takeArrival } from "./sign-in.ts";

// An operator who is signed in to the console in this tab is signed out: this page has no use for the admin token.
saveToken(null);
render(<App arrival={takeArrival()} />, document.body);
