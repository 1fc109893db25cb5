"""What `manage.py doctor` examines: one function a code, by what it examines. docs/doctor.md lists them."""
