"""The `hoso` command: one file per subcommand."""
