# Unit tests of protocol/.
weir_unit_test(protocol
    protocol_backend_messages_test.cc
    protocol_expected_replies_test.cc
    protocol_md5_test.cc
    protocol_messages_test.cc
    protocol_parameter_set_test.cc
    protocol_replies_model.cc
    protocol_replies_model_test.cc
    protocol_scram_key_cache_test.cc
    protocol_scram_test.cc
    protocol_startup_test.cc
    protocol_statement_catalog_test.cc
)
