"""What the operator sees of all hosts while a run goes on."""
