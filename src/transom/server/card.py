"""The card that the demo prints: where everything is, who may enter, and what to paste."""

from __future__ import annotations

from typing import Any

_ACCESS = {"both": "submit and download", "download": "download only", "submit": "submit only"}


def card(ready: dict[str, Any]) -> str:
    """The text of the card, from what the ready file holds."""
    accounts = ready["accounts"]
    first = accounts[0]
    secure = f"--cacert {ready['ca']} " if ready["ca"] else ""
    lines = [
        "",
        "  Transom demo: a whole exchange, on this machine only. Ctrl-C stops it.",
        "",
        f"  REST API      {ready['rest']}",
        f"  Token service {ready['token_url']}",
        f"  Transfers     {ready['s3']['endpoint']}   (signed URLs point here)",
        *([f"  Trust         {ready['ca']}"] if ready["ca"] else []),
        "",
        "  ACCOUNT      ORG    MAY                   SECRET",
        *(_row(account) for account in accounts),
        "",
        "  Paste this: a token, a file up, where it stands, and the result.",
        "",
        *_commands(ready, first, secure),
        "",
    ]
    return "\n".join(lines)


def _row(account: dict[str, Any]) -> str:
    may = _ACCESS[account["access"]] + (" *" if account["lockout"] else "")
    return f"  {account['user']:<12} {account['org']:<6} {may:<21} {account['password']}"


def _commands(ready: dict[str, Any], first: dict[str, Any], secure: str) -> list[str]:
    curl = f"curl -sS {secure}".rstrip()
    inbox = f"{ready['rest']}/files/{first['org']}/app1"
    pick = "python3 -c 'import json,sys; print(json.load(sys.stdin)[\"{}\"])'"
    return [
        f"  TOKEN=$({curl} -X POST -u '{first['user']}:{first['password']}' \\",
        f"    '{ready['token_url']}?grant_type=client_credentials' | {pick.format('access_token')})",
        f'  {curl} -H "Authorization: Bearer $TOKEN" {inbox}',
        "  echo hello > hello.txt",
        f'  URL=$({curl} -X PUT -H "Authorization: Bearer $TOKEN" {inbox}/in/hello.txt \\',
        f"    | {pick.format('preSignedUrl')})",
        f'  {curl} -T hello.txt "$URL"',
        f"  {curl} -H \"Authorization: Bearer $TOKEN\" '{ready['rest']}/tracking?fileName=hello.txt'",
        f'  {curl} -H "Authorization: Bearer $TOKEN" {inbox}/out',
    ]
