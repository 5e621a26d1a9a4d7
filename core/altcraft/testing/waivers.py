"""Everything that an implementation may declare as not supported, with the reasons. All other cases are required."""

from __future__ import annotations

from typing import Final

from altcraft.testing.contract import Waiver

__all__ = ["CODEC", "OPERATION", "TRANSPORT"]

TRANSPORT: Final = (
    Waiver(
        "cancelling",
        "`loop` is None: it is a transport for threads",
        "a thread's exchange can't be cancelled; it ends within its timeout, or when the transport is closed",
        (
            "test_an_exchange_can_be_cancelled",
            "test_it_works_on_after_a_cancellation_in_any_turn_of_the_loop",
            "test_a_cancelled_exchange_that_was_still_waiting_is_never_sent",
        ),
    ),
    Waiver(
        "connections",
        "`options` has no `connections`",
        "without a limit of the transport's own, the client's `max_in_flight` bounds the exchanges at once",
        (
            "test_no_more_connections_are_open_than_allowed",
            "test_no_free_connection_in_time_is_a_connect_error",
            "test_it_works_on_after_a_cancellation_in_any_turn_of_the_loop",
            "test_a_cancelled_exchange_that_was_still_waiting_is_never_sent",
        ),
    ),
    Waiver(
        "keep-alive",
        "`keeps_connections` is False",
        "a new connection for each exchange is slower, and right",
        ("test_a_connection_is_kept_for_the_next_exchange",),
    ),
    Waiver(
        "keep_idle",
        "`options` has no `keep_idle`",
        "a transport that keeps no connection has none to grow old; another one may fix the time itself",
        ("test_a_connection_that_was_idle_for_too_long_is_not_used_again",),
    ),
    Waiver(
        "max_response",
        "`options` has no `max_response`",
        "the platform's replies are small; the limit guards against a server that is not the platform",
        (
            "test_a_reply_up_to_the_limit_arrives_and_one_beyond_is_refused",
            "test_a_reply_that_would_become_huge_takes_no_memory",
            "test_a_body_that_was_not_read_to_its_end_is_no_reply_to_the_next_request",
        ),
    ),
    Waiver(
        "proxy",
        "`options` has no `proxy`",
        "a machine that reaches the platform by itself needs no proxy",
        (
            "test_a_proxy_is_asked_to_forward_http",
            "test_a_proxy_is_asked_for_a_tunnel_to_https",
            "test_a_proxy_gets_its_user_and_password_and_no_error_shows_them",
            "test_no_error_repeats_what_a_proxy_replies",
            "test_a_proxy_that_is_not_there_is_a_connect_error",
            "test_a_tunnel_that_is_refused_or_not_made_in_time_is_a_connect_error",
        ),
    ),
    Waiver(
        "tls",
        "`options` has no `tls`",
        "authorities other than the system's, and client certificates, are for private installations",
        (
            "test_a_valid_certificate_is_accepted",
            "test_a_certificate_of_an_unknown_authority_is_refused",
            "test_a_certificate_for_another_host_is_refused",
            "test_an_expired_certificate_is_refused",
            "test_a_client_certificate_is_shown_to_a_server_that_asks",
            "test_a_proxy_is_asked_for_a_tunnel_to_https",
        ),
    ),
)

CODEC: Final = (
    Waiver(
        "first bytes",
        "`first_bytes` is empty",
        "the Content-Type of a reply tells its format; a format without bytes of its own can't be sniffed",
        ("test_its_documents_are_known_by_their_first_bytes",),
    ),
    Waiver(
        "prepare",
        "the codec has no method `prepare`",
        "a type that the codec can't read is then found out by the first reply",
        ("test_it_prepares_every_type_that_it_reads_and_refuses_one_that_it_cannot",),
    ),
    Waiver(
        "recode",
        "the codec has no method `recode`",
        "a binary format has no charset; a text format that is always UTF-8 needs no recoding",
        ("test_it_recodes_documents_from_the_charset_of_the_header",),
    ),
)

OPERATION: Final = (
    Waiver(
        "a page with JSON",
        "no example of that kind has `json`",
        "the platform's pages do not show every method in both formats; the round trips cover both",
        (
            "test_a_request_is_written_as_its_page_shows_it_in_json",
            "test_a_result_is_read_as_its_page_shows_it_in_json",
        ),
    ),
    Waiver(
        "a page with XML",
        "no example of that kind has `xml`",
        "the platform's pages do not show every method in both formats; the round trips cover both",
        (
            "test_a_request_is_written_as_its_page_shows_it_in_xml",
            "test_a_result_is_read_as_its_page_shows_it_in_xml",
        ),
    ),
    Waiver(
        "resuming",
        "the request is a `PlainRequest`",
        "a method that answers at once starts no task to resume",
        ("test_a_resume_token_leads_back_to_the_task",),
    ),
    Waiver(
        "the sandbox",
        "`answers_in_the_sandbox` is False",
        "an invented platform has nothing to say about some methods, such as those that send a campaign",
        (
            "test_it_answers_in_the_sandbox_in_json",
            "test_it_answers_in_the_sandbox_in_xml",
        ),
    ),
)
