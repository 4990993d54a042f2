# Unit tests of pool/.
weir_unit_test(pool
    pool_event_loop_test.cc
    pool_host_monitor_test.cc
    pool_server_login_test.cc
    pool_server_pool_rotate_test.cc
    pool_server_pool_storm_test.cc
    pool_server_pool_test.cc
    pool_tls_test.cc
    support/certificates.cc
)

# What decides about hosts: plain values, no sockets; a program of its own, since it builds fast.
weir_unit_test(pool_topology
    pool_cluster_policy_test.cc
    pool_consistency_test.cc
    pool_lag_tracker_test.cc
    pool_replica_choice_test.cc
    pool_timeline_file_test.cc
)

# Logins to a real PostgreSQL.
if(WEIR_INTEGRATION_TESTS AND NOT WEIR_FUZZ)
    add_executable(test_server_login pool_server_login_cluster_test.cc)
    target_link_libraries(test_server_login
        PRIVATE weir_pool weir_test_support weir_test_main weir_warnings)
    add_test(NAME integration.server_login COMMAND test_server_login)
    set_tests_properties(integration.server_login PROPERTIES LABELS integration TIMEOUT 300)

    add_executable(test_host_monitor pool_host_monitor_cluster_test.cc)
    target_link_libraries(test_host_monitor
        PRIVATE weir_pool weir_test_support weir_test_main weir_warnings)
    add_test(NAME integration.host_monitor COMMAND test_host_monitor)
    set_tests_properties(integration.host_monitor PROPERTIES LABELS integration TIMEOUT 600)
endif()

# Its words are those of pool_server_login_test.cc.
set_source_files_properties(pool_host_monitor_test.cc PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
