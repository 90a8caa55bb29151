"""The process on a host: command line, control loop, life cycle, release switch; where all parts are joined."""
