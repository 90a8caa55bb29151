from invoke.program import Program

class Fab(Program): ...

program: Fab
