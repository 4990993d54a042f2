# Unit tests of proxy/.
weir_unit_test(proxy
    proxy_authenticator_test.cc
    proxy_channels_test.cc
    proxy_client_login_test.cc
    proxy_deferred_begin_test.cc
    proxy_listener_test.cc
    proxy_query_stats_test.cc
    proxy_slow_explain_test.cc
    support/allocations.cc
    proxy_own_query_test.cc
    support/certificates.cc
)

# Scripted conversations of ClientSessions on a MemoryBackend.
add_executable(test_session
    proxy_session_catalog_test.cc
    proxy_session_disorder_test.cc
    proxy_session_lease_test.cc
    proxy_session_listen_test.cc
    proxy_session_meter_test.cc
    proxy_session_model_test.cc
    proxy_session_names_test.cc
    proxy_session_pins_test.cc
    proxy_session_settings_test.cc
    proxy_session_sql_names_test.cc
    proxy_session_state_test.cc
    proxy_session_statements_test.cc
    proxy_session_test.cc
    proxy_session_waiting_test.cc
    support/session_script.cc
)
target_link_libraries(test_session PRIVATE weir_proxy weir_test_main weir_warnings)
doctest_discover_tests(test_session TEST_PREFIX "session: " PROPERTIES LABELS unit)

# The console.
add_executable(test_console
    proxy_admin_console_test.cc
    proxy_admin_extended_test.cc
    proxy_admin_parser_test.cc
    proxy_admin_result_test.cc
    proxy_admin_session_test.cc
    proxy_problems_test.cc
    proxy_sql_test.cc
)
target_link_libraries(test_console PRIVATE weir_proxy weir_test_main weir_warnings)
doctest_discover_tests(test_console TEST_PREFIX "console: " PROPERTIES LABELS unit)

# HTTP: requests, metrics, what the status page shows.
add_executable(test_http
    proxy_http_test.cc
    proxy_status_test.cc
    proxy_api_reference_test.cc
    proxy_trace_test.cc
    proxy_status_queries_test.cc
)
target_link_libraries(test_http PRIVATE weir_proxy weir_test_main weir_warnings)
doctest_discover_tests(test_http TEST_PREFIX "http: " PROPERTIES LABELS unit)
