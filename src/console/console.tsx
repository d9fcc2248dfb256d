import { render } from "preact";

render(<h1>Device domains</h1>, document.body);
