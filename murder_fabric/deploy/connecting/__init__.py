"""From the name of a host to an agent on it that answers: SSH, the agent's way there, requests under way."""
