"""Ready-made application stores for an agent-chat application with panels."""
