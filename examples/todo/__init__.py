"""A todo list that several people edit at the same time: server, client, tests, compose file. See README.md."""
