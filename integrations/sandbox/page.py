"""How the sandboxes' pages look: plain, without JavaScript, WCAG 2.2 AA, one style that a Content-Security-Policy names
by its hash."""

from __future__ import annotations

import base64
import hashlib
from html import escape

STYLE = """
*{box-sizing:border-box}body{margin:0;font:1rem/1.5 system-ui,sans-serif;color:#1a1f36;background:#f6f8fa}
main{max-width:34rem;margin:0 auto;padding:1.5rem 1rem 3rem}h1{font-size:1.6rem;margin:.5rem 0 1rem}
h2{font-size:1.2rem;margin:0 0 .75rem}.mode{display:inline-block;background:#5a3200;color:#fff;
padding:.1rem .6rem;
border-radius:.25rem;font-weight:600}section{background:#fff;border:1px solid #6b7280;border-radius:.5rem;
padding:1rem;
margin:0 0 1rem}table{width:100%;border-collapse:collapse}th,td{text-align:left;padding:.3rem 0;
vertical-align:top}
td:last-child,th:last-child{text-align:right}tfoot th,tfoot td{border-top:1px solid #6b7280;font-weight:700}
caption{text-align:left;font-weight:600;padding-bottom:.3rem}label{display:block;font-weight:600;
margin-top:.75rem}
input,select{width:100%;font:inherit;padding:.55rem;border:1px solid #4b5563;border-radius:.3rem;background:#fff;
color:inherit}
input[aria-invalid=true]{border:2px solid #a30d2d}.hint{color:#4b5563;font-size:.9rem;margin:.1rem 0}
button,.button{display:block;width:100%;min-height:2.75rem;margin-top:1rem;font:inherit;font-weight:700;color:#fff;
background:#3f37c9;border:2px solid #3f37c9;border-radius:.3rem;cursor:pointer;
text-align:center;text-decoration:none;
padding:.5rem}.second{background:#fff;color:#3f37c9}:focus-visible{outline:3px solid #b45309;
outline-offset:2px}
.alert{border:2px solid #a30d2d;color:#7a0a22;background:#fff5f6;border-radius:.5rem;padding:.75rem 1rem;
margin:0 0 1rem}
.row{display:flex;gap:1rem}.row>div{flex:1}a{color:#3730a3}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def document(*, title: str, body: str, stands_in_for: str) -> str:
    """A whole page around its main content (already HTML); `stands_in_for`: whose page it plays."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<p><span class="mode">TEST MODE</span> Sandbox Shop, a stand-in for {escape(stands_in_for)}</p>\n'
        f"{body}\n</main>\n</body>\n</html>\n"
    )
