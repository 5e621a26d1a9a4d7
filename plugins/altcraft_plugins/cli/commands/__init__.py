"""The commands: their names, arguments and help. Each is imported when it is used; `groups` lists them."""
