"""The operator's side: Fabric tasks, the executor behind them, and the fan-out over SSH."""
