"""The networks of a task as one function of tensors, and inputs to try it on."""
