"""What people say in each dialect, written by hand from the vendors' documents: a second opinion on the wire rooms.

`Speaker` is a client and an upstream of one dialect: it asks, understands what it is asked, answers, and hears an answer.
Nothing here imports `router/wire`: what both got wrong in the same way would pass."""
