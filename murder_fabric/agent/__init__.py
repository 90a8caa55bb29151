"""The process on a host: command line, control loop, life cycle, switch; where all parts are joined."""
