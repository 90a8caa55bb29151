"""What trackers and their clients say to each other, and who is in which swarm: no socket, no clock."""
