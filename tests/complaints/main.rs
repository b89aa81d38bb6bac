//! What users of comparable software complain about in public: each complaint is tried again on twind. The numbers are
//! those of our own study of that software, and a test's name starts with one.
//!
//! **Desired changes lost or wrong after an outage**
//!
//! 1. Azure/iotedge#7148: desired properties changed while the device was offline do not arrive after it.
//!    - `desired::c01_desired_changes_made_during_an_outage_are_applied_after_it`
//! 2. Azure/iotedge#2757: desired updates are not delivered after a network drop.
//!    - `desired::c02_changes_made_after_a_network_drop_arrive_though_the_hub_forgot_who_had_subscribed`
//! 3. Azure/iotedge#1654: no desired callback on reconnect.
//!    - `desired::c03_coming_back_tells_what_changed_once_and_without_another_write`
//! 4. Azure/iotedge#1372: what was desired while disconnected is never sent.
//!    - `desired::c04_changes_made_while_the_device_was_off_are_applied_when_it_is_on_again`
//! 5. Azure/azure-iot-sdk-node#885: the twin event does not fire after a short disconnect.
//!    - `desired::c05_a_change_is_heard_at_whatever_moment_of_a_short_disconnect_it_falls`
//! 6. Azure/azure-iot-sdk-node#28, #563: fetching the twin fails on reconnect, or is never answered.
//!    - `desired::c06_a_fetch_that_fails_or_is_never_answered_on_reconnect_is_made_again_until_it_succeeds`
//! 7. Azure/azure-iot-sdk-csharp#3423: how is one meant to catch up after a reconnect?
//!    - `desired::c07_to_catch_up_takes_one_fetch_and_one_report_after_an_outage_of_any_length`
//! 8. Azure/azure-iot-sdk-csharp#954: unchanged values are sent again; PATCH against PUT, and nulls.
//!    - `desired::c08_unchanged_values_sent_again_change_nothing_and_a_put_with_nulls_is_followed`
//! 9. Azure/azure-iot-sdk-c#775: desired values revert on reconnect.
//!    - `desired::c09_what_an_outage_delivers_late_reverts_nothing`
//! 10. Azure/azure-iot-sdk-python#510, #573, #994: how to reconcile `$version`; the twin is fetched twice.
//!     - `desired::c10_version_tells_what_a_fetch_and_its_notifications_say_together_and_a_second_fetch_is_enough`
//!     - `desired::c10_a_missing_or_doubled_version_costs_at_most_one_more_fetch`
//! 11. MicrosoftDocs/azure-docs#85124, #98455: the documentation describes a reconnect flow that nothing performs.
//!     - `desired::c11_each_connection_does_what_the_documentation_describes_subscribe_then_fetch_then_report`
//! 12. iotblackbelt/node-red-contrib-azure-iot-device#9: the twin's state is lost on reconnect.
//!     - `desired::c12_the_copy_is_whole_at_every_step_of_a_reconnect`
//!     - `desired::c12_the_copy_can_be_read_while_there_is_no_hub`
//!
//! **Reports lost, blocked, or never sent**
//!
//! 13. Azure/iotedge#4159, #4270, #5034: one patch with a null in an array blocks every later update.
//!     - `reports::c13_a_reported_value_that_the_hub_refuses_is_set_aside_and_blocks_no_later_update`
//!     - `reports::c13_whatever_desired_value_the_hub_holds_blocks_no_later_update`
//!     - `reports::c13_no_change_that_the_hub_takes_is_refused_by_us`
//! 14. Azure/iotedge#590: after throttling, nothing was reported until the device was installed anew.
//!     - `reports::c14_after_a_day_of_throttling_reports_go_out_again_by_themselves`
//! 15. Azure/iotedge#6145: an update hangs for 20 s while offline.
//!     - `reports::c15_offline_a_report_waits_for_nothing_and_nothing_waits_for_it`
//!     - `reports::c15_a_report_that_the_hub_does_not_answer_holds_up_no_pin`
//! 16. Azure/iotedge#7035, #1560, #7374: at the limit of 32 KB updates fail.
//!     - `reports::c16_a_report_that_would_pass_32_kib_leaves_the_least_out_says_so_and_the_rest_arrives`
//!     - `reports::c16_a_reported_section_that_another_program_filled_takes_our_report`
//! 17. Azure/azure-iot-sdk-python#498, Azure/azure-iot-sdk-c#1557: reporting leaks memory until the Pi dies.
//!     - `reports::c17_ten_thousand_reports_leave_the_engine_as_small_as_a_hundred_did`
//!     - `reports::c17_a_daemon_that_reports_and_reports_does_not_grow`
//! 18. MicrosoftDocs/azure-docs#107838, #29205: throttling disconnects the device; what to do about it?
//!     - `reports::c18_a_throttled_report_is_put_off_and_the_connection_kept`
//!     - `reports::c18_a_hub_that_ends_the_connection_to_throttle_gets_the_report_on_the_next`
//!
//! **Work offline, survive a restart offline**
//!
//! 19. Azure/iotedge#645: wants to set things locally while offline. (The desired section is the back end's; what the
//!     site sets is its configuration.)
//!     - `offline::c19_offline_the_site_sets_its_own_range_and_the_hub_has_the_last_word_when_it_is_back`
//! 20. Azure/iotedge#6948, #320, #4964, #2544: started offline the twin is empty, or the start fails.
//!     - `daemon/outage::c20_started_with_no_hub_the_pin_follows_the_stored_twin_and_the_climate_runs`
//!     - `offline::c20_started_offline_the_twin_is_not_empty`
//!     - `offline::c20_the_first_start_of_all_may_be_without_a_hub`
//! 21. aws-greengrass/aws-greengrass-shadow-manager#208: the local shadow vanished on the 20th day offline.
//!     - `offline::c21_the_copy_outlives_sixty_days_offline_and_power_cuts_on_the_way`
//! 22. aws-greengrass/aws-greengrass-shadow-manager#164, #158, #98, #116, #175, #186: no sync after an outage; a full
//!     one each second, with a bill; a shadow that was made again is deleted.
//!     - `offline::c22_each_of_a_hundred_outages_costs_one_fetch_and_syncing_goes_on_after_it`
//!     - `offline::c22_a_quiet_day_costs_a_few_fetches_and_no_more_reports_than_heartbeats`
//!     - `offline::c22_an_identity_made_again_during_the_outage_is_taken_over_and_filled_with_what_is_so`
//!     - `daemon/outage::c22_a_device_made_anew_with_a_lower_version_is_taken_over`
//! 23. awslabs/aws-iot-device-client#488: changes that came by the shadow do not persist.
//!     - `daemon/outage::c23_what_was_acknowledged_survives_kill_9`
//!     - `offline::c23_a_new_configuration_loses_no_desired_change`
//! 24. thin-edge/thin-edge.io#3083, #3185, #2868, #2498, #3051, #3149, #2150: buffering while offline; state lost after
//!     a reboot.
//!     - `offline::c24_a_month_offline_keeps_no_backlog_and_one_report_tells_what_is_so_now`
//!     - `offline::c24_a_power_cut_offline_leaves_what_was_known_and_the_report_is_made_good`
//!     - `offline::c24_what_was_reported_offline_reaches_the_hub_after_a_restart_of_the_daemon`
//!     - `daemon/outage::c24_a_kill_at_any_time_leaves_a_twin_that_was_true_once_and_heals`
//!     - `daemon/outage::c24_a_state_file_cut_short_falls_back_to_the_other_and_two_are_fetched_again`
//!
//! **Clock, certificates, identity**
//!
//! 25. Azure/iotedge#3982, #6421, Azure/azure-iot-sdks#152: a device without a clock starts in the past, its token has
//!     expired, and it never recovers.
//!     - `session/start::c25_nothing_is_dialled_by_an_impossible_clock_until_it_is_set`
//!     - `session/clock::c25_a_clock_behind_the_last_known_time_dates_no_token`
//!     - `session/start::c25_a_clock_that_is_set_is_worth_an_attempt_before_its_time`
//! 26. Azure/iotedge#7321: the gateway's own hub dies after 25 days offline.
//!     - `session/complaints::c26_sixty_days_without_a_hub_end_with_a_new_token_and_a_session`
//! 27. Azure/iot-identity-service#300, Azure/iotedge#5787, #6911, #6933: renewed only when it has expired; trouble with
//!     certificates.
//!     - `session/complaints::c27_the_renewal_is_due_at_four_fifths_of_a_tokens_life`
//!     - `session/end::c27_a_token_is_renewed_by_a_polite_new_session_without_a_wait`
//!     - `session/complaints::c27_a_certificate_renewed_on_the_disk_is_shown_by_the_next_connection_without_a_restart`
//! 28. Azure/azure-iot-sdk-c#1656, #1652: the hub's root certificate changes.
//!     - `session/complaints::c28_a_root_that_changed_is_named_and_a_new_file_mends_it_without_a_restart`
//!     - `session/complaints::c28_a_file_with_the_old_and_the_new_root_bridges_the_change`
//! 29. Azure/azure-sdk-for-rust#731: asks for a device SDK in Rust. (twind is a daemon; its room `hub` does what such a
//!     client would.)
//!     - `session/exchange::c29_a_session_is_subscribed_when_it_is_up_and_then_fetches_and_reports`
//!
//! `table` checks that this list and the tests agree. Tests of the core run in virtual time ([`rig`]). Tests that need a
//! process or a handshake use the rigs of `tests/daemon` and `tests/session`, and some of them are there. Deliberately
//! absent: complaints about outputs, sensors and packages.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod desired;
#[path = "../sim/message.rs"]
mod message;
mod offline;
#[path = "../daemon/rig.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod process;
mod reports;
mod rig;
mod table;
