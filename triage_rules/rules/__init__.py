"""The red flags, one file per clinical area. A new file is found by itself."""
