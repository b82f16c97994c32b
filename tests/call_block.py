"""`python -m tests.call_block`: run the lines of Python in the variable BLOCK, as if they were pasted."""

import os

exec(compile(os.environ["BLOCK"], "<page>", "exec"), {"__name__": "__main__"})
