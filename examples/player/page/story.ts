import type { DevicePane } from "./device-pane.ts";

/** A step of the story: what the button says, what the page says afterwards, and what happens. */
type Step = Readonly<{ button: string; caption: string; act: () => Promise<unknown> }>;

/** The story of a domain, told by its devices. */
export function storyOf(devices: Readonly<Record<"tv" | "tablet" | "phone" | "laptop", DevicePane>>): readonly Step[] {
  const { tv, tablet, phone, laptop } = devices;
  return [
    {
      button: "The TV and the tablet join",
      caption: "The domain came into being with the first of them. Both hold its key 1.",
      act: () => Promise.all([tv.join(), tablet.join()]),
    },
    {
      button: "Both play episode 1",
      caption: "The licence was encrypted to the domain, once. Each device opened it with the domain's key.",
      act: () => Promise.all([tv.play("episode-1"), tablet.play("episode-1")]),
    },
    {
      button: "The phone joins, and plays it too",
      caption: "A member like the others.",
      act: () => phone.join().then(() => phone.play("episode-1")),
    },
    {
      button: "The phone leaves",
      caption: "A rollover is due: nobody encrypts to key 1 any more, for the phone has seen it.",
      act: () => phone.leave(),
    },
    {
      button: "All three want episode 2",
      caption: "Its licence is encrypted to key 2. The TV and the tablet renewed and got that key. The phone cannot.",
      act: () => Promise.all([tv, tablet, phone].map((device) => device.play("episode-2"))),
    },
    {
      button: "The phone goes back to episode 1",
      caption: "What a device could open while it was a member, it can keep.",
      act: () => phone.play("episode-1"),
    },
    {
      button: "A laptop joins late",
      caption: "It got key 2, and key 1 from the history, sealed to key 2. So it plays both.",
      act: () => laptop.join().then(() => laptop.play("episode-1")),
    },
    {
      button: "The laptop plays episode 2",
      caption: "Members play, and nobody else. Try it with the server switched off.",
      act: () => laptop.play("episode-2"),
    },
  ];
}
