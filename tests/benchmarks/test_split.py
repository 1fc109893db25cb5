import os
from tests.benchmarks.test_bench import *
from tests.benchmarks import test_bench as b, stand as st
from config.postgres import postmaster_pid
from django.conf import settings as S
del test_the_goals_are_met
def test_split(stand):
    template = stand.template(); stand.serve()
    pm = postmaster_pid(S.BASE_DIR)
    for path in (b.WEBHOOKS, b.BEHIND_MIDDLEWARE, b.BARE): b._saturate(stand, template, path)
    tot={}
    for _ in range(int(os.environ.get("R","3"))):
        for path in (b.WEBHOOKS, b.BEHIND_MIDDLEWARE, b.BARE):
            w0=st._cpu_seconds(group=stand._web.pid,parent=-1); p0=st._cpu_seconds(group=-1,parent=pm)
            o=b._saturate(stand, template, path)
            w1=st._cpu_seconds(group=stand._web.pid,parent=-1); p1=st._cpu_seconds(group=-1,parent=pm)
            tot.setdefault(path,[]).append((round((w1-w0)/o.answered*1e3,2), round((p1-p0)/o.answered*1e3,2), round(o.answered/o.seconds), round(statistics.median(o.milliseconds),1)))
    print()
    for k,v in tot.items(): print(k, "web,pg cpu ms; rate; p50:", v)
