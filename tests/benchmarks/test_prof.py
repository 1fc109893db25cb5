import logging.config, cProfile, pstats, io, os, time, sys, logging
import pytest
from tests.benchmarks import load
from tests.benchmarks.test_bench import stand, Template
from django.test import override_settings
pytestmark=[pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

def environ(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    m, p, _ = lines[0].split()
    e = {"REQUEST_METHOD": m, "PATH_INFO": p, "SCRIPT_NAME":"", "QUERY_STRING":"", "SERVER_NAME":"127.0.0.1","SERVER_PORT":"80","SERVER_PROTOCOL":"HTTP/1.1","wsgi.url_scheme":"http","wsgi.input": io.BytesIO(body),"wsgi.errors":sys.stderr,"REMOTE_ADDR":"127.0.0.1","wsgi.multithread":True,"wsgi.multiprocess":True,"wsgi.run_once":False,"wsgi.version":(1,0)}
    for l in lines[1:]:
        k,_,v=l.partition(": ")
        k=k.upper().replace("-","_")
        e[k if k in("CONTENT_TYPE","CONTENT_LENGTH") else "HTTP_"+k]=v
    return e

def test_prof(stand, settings):
    settings.ROOT_URLCONF="tests.benchmarks.urls"
    template=stand.template()
    logging.getLogger().setLevel(logging.INFO)
    dev=open("/dev/null","w")
    from config.settings import LOGGING
    from config.logs import configure
    configure(LOGGING)
    for h in logging.getLogger().handlers:
        if type(h) is logging.StreamHandler: h.setStream(dev)
    from django.core.handlers.wsgi import WSGIHandler
    whole=WSGIHandler()
    with override_settings(MIDDLEWARE=[]): bare=WSGIHandler()
    N=int(os.environ.get("N","300"))
    def go(path, n, app):
        o=load.Order(port=80,path=path,body=template.body,unique=template.unique,secret=stand.webhook_secret,connections=1,seconds=1)
        envs=[environ(r) for r in load.requests(o,n)]
        t=time.process_time(); w=time.perf_counter()
        for e in envs:
            st=[]
            r=app(e, lambda s,h,x=None: st.append(s))
            b"".join(r); r.close()
            assert st==["200 OK"], st
        return (time.process_time()-t)/n*1e6, (time.perf_counter()-w)/n*1e6
    out=[]
    go("/webhooks/stripe/",20,whole); go("/null/",20,whole); go("/bare/",20,bare)
    for _ in range(5):
        out.append([go("/webhooks/stripe/",N,whole), go("/null/",N,whole), go("/bare/",N,bare)])
    for i,n in enumerate(("webhook","null","bare")):
        print(n, "cpu us", sorted(round(o[i][0]) for o in out), "wall", sorted(round(o[i][1]) for o in out))
    for path in ("/webhooks/stripe/","/null/"):
        pr=cProfile.Profile(time.process_time); pr.enable(); go(path,N,whole); pr.disable()
        s=io.StringIO(); pstats.Stats(pr,stream=s).sort_stats(os.environ.get("SORT","cumulative")).print_stats(70)
        print(path); print("\n".join(l[:150] for l in s.getvalue().splitlines()))
