from tests.benchmarks.test_bench import *
from tests.benchmarks import test_bench as b
del test_the_goals_are_met
import os
def test_dev(stand):
    b.ROUNDS=int(os.environ.get("R","3")); b.PAYMENTS_A_ROUND=4; b.RATE_SECONDS=5.0
    before = os.getloadavg()
    template = stand.template(); stand.serve()
    f=[]
    w=os.environ.get("W","i")
    if "p" in w or "l" in w:
        with stand.workers():
            if "p" in w: f+=b._webhook_to_paid(stand)
            if "l" in w: f+=b._latency(stand, template)
    if "n" in w: b._inbox_is_quiet=lambda: True; f+=b._latency(stand, template)
    if "i" in w: f+=b._intake(stand, template)
    b._print_table(f, before=before)
