# SPDX-License-Identifier: GPL-2.0-or-later
"""A web proxy that fetches nothing: lib_proxy.py ADDRESS PORT. Its pages name what it was asked for, and standard error does."""
import http.server
import sys


class Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(("by the proxy: " + self.path).encode())


http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Proxy).serve_forever()
