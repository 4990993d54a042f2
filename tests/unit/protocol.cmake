# Unit tests of protocol/.
weir_unit_test(protocol
    protocol_backend_messages_test.cc
    protocol_md5_test.cc
    protocol_replies_model.cc
    protocol_replies_model_test.cc
    protocol_scram_test.cc
    protocol_startup_test.cc
)
