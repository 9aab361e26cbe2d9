"""Signed URLs: one transfer, one minute, and never more than the account may do right now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import update
from world import Account, World

from transom.core.keyring import KeyRing, ServerKey
from transom.core.retention import SYSTEM
from transom.core.signed_urls import CHECKSUM_HEADERS, Endpoint, SignedUrls
from transom.domain import presigned
from transom.domain.entitlement import Action
from transom.domain.errors import BadName, GrantInvalid, NotEntitled, SignInError
from transom.domain.names import FileName, Place
from transom.domain.signature import HeaderNotSigned, RawRequest, SignatureExpired
from transom.records.schema import principals
from transom.server.assemble import key_ring

PLACE, NAME = Place.parse("0001/app1/out"), FileName("it's_a&b=c.txt")
INBOX = Place.parse("0001/app1/in")
SOURCE = "192.0.2.1"


def request_for(url: str, method: str = "GET", **headers: str) -> RawRequest:
    parts = urlsplit(url)
    sent = {name.replace("_", "-"): (value,) for name, value in headers.items()}
    return RawRequest(method, parts.path, parts.query, {"host": (parts.netloc,), **sent})


def download_url(firm: Account, method: str = "GET") -> str:
    urls = firm.world.exchange.signed_urls
    return urls.for_download(firm.actor, PLACE, NAME, "listing-1", method).url


def upload_url(firm: Account) -> str:
    world = firm.world
    signed = world.exchange.signed_urls.for_upload(
        firm.actor, INBOX, NAME, "tracking-1", world.clock.wall()
    )
    return signed.url


def permits(world: World, request: RawRequest, source: str = SOURCE) -> bool:
    try:
        world.exchange.signed_urls.redeem(request, source, "request-1")
    except SignInError:
        return False
    return True


def test_a_download_url_permits_one_file_to_be_read_and_nothing_else(sqlite_world: World) -> None:
    firm = sqlite_world.account()

    redeemed = sqlite_world.exchange.signed_urls.redeem(
        request_for(download_url(firm)), SOURCE, "request-1"
    )

    assert (redeemed.place, redeemed.name) == (PLACE, NAME)
    assert (redeemed.listing, redeemed.submission) == ("listing-1", "")
    actor = redeemed.actor
    assert (actor.principal_id, actor.source, actor.request_id) == (firm.id, SOURCE, "request-1")
    assert [(place, right.actions) for place, right in actor.rights.all()] == [
        (PLACE, {Action.DOWNLOAD})
    ]


def test_an_upload_url_permits_one_submission_to_be_filled(sqlite_world: World) -> None:
    firm = sqlite_world.account()

    redeemed = sqlite_world.exchange.signed_urls.redeem(
        request_for(upload_url(firm), "PUT"), SOURCE, "request-1"
    )

    assert (redeemed.place, redeemed.name) == (INBOX, NAME)
    assert (redeemed.submission, redeemed.listing) == ("tracking-1", "")
    assert [(place, right.actions) for place, right in redeemed.actor.rights.all()] == [
        (INBOX, {Action.UPLOAD})
    ]


def test_a_url_is_good_for_sixty_seconds(sqlite_world: World) -> None:
    world, firm = sqlite_world, sqlite_world.account()
    signed = world.exchange.signed_urls.for_download(firm.actor, PLACE, NAME, "listing-1")
    world.clock.pass_time(timedelta(seconds=59))
    assert permits(world, request_for(signed.url))
    world.clock.pass_time(timedelta(seconds=1))

    assert signed.expires_at == world.clock.wall()
    with pytest.raises(SignatureExpired):
        world.exchange.signed_urls.redeem(request_for(signed.url), SOURCE, "")


def test_it_counts_by_the_world_s_clock_which_no_sandbox_moves(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    url = download_url(firm)

    sqlite_world.clock.move(timedelta(days=10))

    assert permits(sqlite_world, request_for(url))
    assert "X-Amz-Date=20261120T203610Z" in url


def test_the_same_request_is_given_the_same_upload_url(sqlite_world: World) -> None:
    firm = sqlite_world.account()

    assert upload_url(firm) == upload_url(firm)


@pytest.mark.parametrize("signed", ["GET", "HEAD"])
@pytest.mark.parametrize("used", ["GET", "HEAD", "PUT", "POST", "DELETE", "get"])
def test_a_url_is_good_for_the_verb_it_was_signed_for(
    sqlite_world: World, signed: str, used: str
) -> None:
    url = download_url(sqlite_world.account(), signed)

    assert permits(sqlite_world, request_for(url, used)) is (signed == used)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("%26b", "%26c", id="another file"),
        pytest.param("/0001/", "/0002/", id="another organization"),
        pytest.param("/app1/", "/app2/", id="another application"),
        pytest.param("/out/", "/in_arcv/", id="another sub-space"),
        pytest.param("X-Amz-Expires=60", "X-Amz-Expires=61", id="a longer life"),
        pytest.param("X-Amz-Date=20261120T2036", "X-Amz-Date=20261120T2037", id="a later start"),
        pytest.param("Listing=listing-1", "Listing=listing-2", id="another listing"),
        pytest.param("Epoch=0", "Epoch=1", id="another epoch"),
        pytest.param("X-Transom-Listing", "X-Transom-Submission", id="another kind"),
        pytest.param("X-Amz-Signature=", "X-Amz-Signature=0", id="a longer signature"),
        pytest.param("TRSM", "TRSN", id="an unknown key"),
        pytest.param("&X-Transom-Epoch", "&a=b&X-Transom-Epoch", id="one more parameter"),
    ],
)
def test_an_altered_url_is_worth_nothing(sqlite_world: World, old: str, new: str) -> None:
    url = download_url(sqlite_world.account())
    assert old in url

    assert not permits(sqlite_world, request_for(url.replace(old, new, 1)))


def test_a_url_does_not_become_another_account_s(sqlite_world: World) -> None:
    firm, other = sqlite_world.account(), sqlite_world.account()

    assert not permits(sqlite_world, request_for(download_url(firm).replace(firm.id, other.id)))


@pytest.mark.parametrize("header", ["x_amz_acl", "x_amz_checksum_sha256", "x_amz_copy_source"])
def test_a_download_takes_no_header_that_nobody_signed(sqlite_world: World, header: str) -> None:
    url = download_url(sqlite_world.account())

    with pytest.raises(HeaderNotSigned):
        sqlite_world.exchange.signed_urls.redeem(
            request_for(url, **{header: "x"}), SOURCE, "request-1"
        )


@pytest.mark.parametrize("header", sorted(CHECKSUM_HEADERS | {"content-md5"}))
def test_an_upload_takes_checksums_unsigned_since_they_can_only_make_us_refuse(
    sqlite_world: World, header: str
) -> None:
    url = upload_url(sqlite_world.account())

    assert permits(sqlite_world, request_for(url, "PUT", **{header.replace("-", "_"): "x"}))
    assert not permits(sqlite_world, request_for(url, "PUT", x_amz_acl="public-read"))


# --- withdrawn -----------------------------------------------------------------------------------


def stop(firm: Account) -> None:
    firm.world.exchange.administration.set_account_active(SYSTEM, firm.name, active=False)


def rotate(firm: Account) -> None:
    firm.world.exchange.administration.rotate_secret(SYSTEM, firm.name)


def stop_organization(firm: Account) -> None:
    firm.world.exchange.administration.set_organization_active(SYSTEM, "0001", active=False)


def end(firm: Account) -> None:
    with firm.world.database.transaction() as tx:
        change = update(principals).where(principals.c.id == firm.id)
        tx.execute(change.values(ends_at=firm.world.clock.now()))


def keep_to_a_network(firm: Account) -> None:
    firm.world.exchange.administration.allow_networks(SYSTEM, firm.name, ("203.0.113.0/24",))


@pytest.mark.parametrize("how", [stop, rotate, stop_organization, end, keep_to_a_network])
def test_an_unused_url_dies_with_what_its_account_may(
    world: World, how: Callable[[Account], None]
) -> None:
    firm = world.account()
    urls = (request_for(download_url(firm)), request_for(upload_url(firm), "PUT"))
    assert all(permits(world, each) for each in urls)

    how(firm)

    assert not any(permits(world, each) for each in urls)


def test_a_url_is_bound_to_no_address_unless_its_account_is(sqlite_world: World) -> None:
    free, bound = sqlite_world.account(), sqlite_world.account(networks=("127.0.0.0/8",))

    assert permits(sqlite_world, request_for(download_url(free)), "203.0.113.9")
    assert permits(sqlite_world, request_for(download_url(bound)), "127.0.0.1")
    assert not permits(sqlite_world, request_for(download_url(bound)), "203.0.113.9")


def test_after_an_entitlement_was_withdrawn_its_urls_lead_nowhere(world: World) -> None:
    firm, app = world.account(), world.processor()
    app.publish(f"{PLACE}/{NAME}")
    url = download_url(firm)
    world.exchange.administration.end_entitlement(
        SYSTEM, world.entitle(firm, "0001", "app1", "both")
    )

    redeemed = world.exchange.signed_urls.redeem(request_for(url), SOURCE, "")

    with pytest.raises(NotEntitled):
        world.exchange.downloads.find(redeemed.actor, redeemed.place, redeemed.name)


# --- keys and endpoints --------------------------------------------------------------------------


def urls_with(world: World, *keys: ServerKey, bucket: str = "filex") -> SignedUrls:
    endpoint = Endpoint("http://127.0.0.1:9", "us-east-1", bucket)
    return SignedUrls(KeyRing(keys), endpoint, world.exchange.tokens, world.clock)


def test_a_url_signed_before_the_key_was_rotated_still_verifies(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    old, new = ServerKey("old", b"o" * 32), ServerKey("new", b"n" * 32)
    url = urls_with(sqlite_world, old).for_download(firm.actor, PLACE, NAME, "l").url

    rotated = urls_with(sqlite_world, new, old)
    gone = urls_with(sqlite_world, new)

    assert rotated.redeem(request_for(url), SOURCE, "").listing == "l"
    with pytest.raises(GrantInvalid):
        gone.redeem(request_for(url), SOURCE, "")


def test_a_url_for_another_bucket_is_refused(sqlite_world: World) -> None:
    firm, key = sqlite_world.account(), ServerKey("k", b"k" * 32)
    url = urls_with(sqlite_world, key, bucket="other").for_download(firm.actor, PLACE, NAME, "l")

    with pytest.raises(GrantInvalid):
        urls_with(sqlite_world, key).redeem(request_for(url.url), SOURCE, "")


@pytest.mark.parametrize("path", ["/filex", "/filex/0001/app1", "/filex/0001/app1/in/", "/"])
def test_a_path_that_is_no_file_s_is_refused_even_when_signed(
    sqlite_world: World, path: str
) -> None:
    firm, key = sqlite_world.account(), ServerKey("k", b"k" * 32)
    signer = presigned.Signer(key.access_key_id, key.url_secret, "us-east-1", "http://127.0.0.1:9")
    url = presigned.presign(
        signer,
        "GET",
        path,
        sqlite_world.clock.wall(),
        timedelta(seconds=60),
        [("X-Transom-Account", firm.id), ("X-Transom-Epoch", "0")],
    )

    with pytest.raises((BadName, GrantInvalid)):
        urls_with(sqlite_world, key).redeem(request_for(url), SOURCE, "")


def test_a_signature_of_ours_that_names_no_account_is_refused(sqlite_world: World) -> None:
    key = ServerKey("k", b"k" * 32)
    signer = presigned.Signer(key.access_key_id, key.url_secret, "us-east-1", "http://127.0.0.1:9")
    now, life = sqlite_world.clock.wall(), timedelta(seconds=60)
    url = presigned.presign(signer, "GET", f"/filex/{PLACE}/a.txt", now, life)

    with pytest.raises(GrantInvalid):
        urls_with(sqlite_world, key).redeem(request_for(url), SOURCE, "")


def test_a_url_carries_no_secret(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    key = key_ring(sqlite_world.program.settings).current

    url = download_url(firm)

    for secret in (firm.secret, key.url_secret, key.value.hex(), firm.name):
        assert secret not in url
