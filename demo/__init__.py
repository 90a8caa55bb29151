"""The demonstration: hosts inside one process, and a deploy to them that checks what arrived."""
