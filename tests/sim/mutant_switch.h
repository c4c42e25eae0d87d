// The planted bugs (base/mutant.h) and the switch that plants one of them. Force-included before
// the files that hold them; a name that is not in this list does not compile.
#pragma once

#include <cstdint>

// What each one does, for the table in docs/simulation.md.
#define PARLEY_MUTANTS(X)                                                                        \
  /* replication */                                                                              \
  X(hint_counts_as_ack, "a kept hint counts for the write's level")                              \
  X(quorum_off_by_one, "a quorum is one replica short of a majority")                            \
  X(ack_counted_when_sent, "a copy counts as acked when it is sent")                             \
  X(failed_merge_acked, "a replica acks a copy that it could not store")                         \
  X(unreached_told_as_not_written, "a write that fell short is `not_written`, not `unknown`")    \
  X(silence_taken_for_refusal, "an owner that did not answer a passed-on write has not done it") \
  X(sent_told_as_not_written, "a refusal stands although another owner was asked too")           \
  X(read_repair_skipped, "a quorum read answers before a majority holds what it returns")        \
  X(repair_counted_when_sent, "a blocking repair counts when it is sent")                        \
  X(replica_counted_twice, "a replica that holds what is read counts as two")                    \
  X(first_answer_wins, "a read returns its first answer, and merges no other")                   \
  X(tombstone_shown, "a read returns a deleted value as an empty one")                           \
  X(context_left_out, "a read returns no context")                                               \
  X(merge_drops_sibling, "a merge takes no second sibling")                                      \
  X(merge_keeps_replaced, "a merge keeps siblings that the other side had replaced")             \
  X(merge_overwrites, "what comes from elsewhere replaces the local copy")                       \
  X(tombstone_not_merged, "a set of tombstones alone is not merged")                             \
  X(context_ignored, "a write replaces nothing of what its context covers")                      \
  X(delete_drops_unseen, "a delete replaces also what its writer never saw")                     \
  X(last_write_wins, "a write replaces whatever is there")                                       \
  X(mint_ignores_local, "a write forgets the siblings that are there")                           \
  X(dot_given_twice, "an epoch goes on with the dot that it gave last")                          \
  X(foreign_context_accepted, "a context is opened for any key")                                 \
  X(damaged_taken_for_absent, "a record that fails its checksum counts as not there")            \
  X(old_copy_continues_epochs, "an old copy of a disk goes on with the epochs of its records")   \
  X(forgotten_dots_continued, "an epoch goes on although the record has lost dots of it")        \
  X(epochs_run_out, "no more epochs are leased than at the start")                               \
  X(epochs_begin_again, "a restart draws the same epochs again")                                 \
  X(any_keeps_nothing, "`any` is ok although no hint was stored")                                \
  X(retry_mints_again, "a retry gets a dot of its own although its write is there")              \
  X(hint_told_as_durable, "a receipt says durable for a replica that has a hint only")           \
  X(stale_ring_accepted, "late members leave the ring stale, and who plans on one is served")    \
  X(stamp_from_wall_only, "where the last writer wins, a stamp is the wall clock's time alone")  \
  X(stamp_ignores_wall, "where the last writer wins, a stamp only counts")                       \
  X(token_stamp_dropped, "a stamp may be earlier than what the writer had seen")                 \
  X(lww_merge_by_dot, "where the last writer wins, a merge compares dots, not stamps")           \
  X(reply_context_hides_sibling, "the context of a write covers an unseen sibling of its actor") \
  X(merged_digest_stale, "who held the first answer counts as holding all that was merged")      \
  X(only_copy_expires, "old hints are dropped also where an `any` write has no more")            \
  X(answer_amid_repair_merged, "what comes amid a read's repair is returned, sent to nobody")    \
  X(no_hint_told_as_not_found, "a read at `any` without an answer or a hint says not found")     \
  X(slow_clock_stamps, "a clock that is behind the members' is no reason not to stamp")          \
  X(write_token_keeps_old_stamp, "the token of a write leaves its own stamp out")                \
  /* repair */                                                                                   \
  X(hints_never_delivered, "a target that is back gets no hints")                                \
  X(hint_erased_before_ack, "a hint is erased when it is sent")                                  \
  X(hint_overwritten, "a newer hint takes the place of the older one")                           \
  X(tombstone_not_handed_over, "anti-entropy hands over no set of tombstones alone")             \
  X(damage_mended_from_one, "a damaged record is mended from one owner alone")                   \
  X(overwrite_left_out_of_digest, "the digest of a slot misses overwrites and deletes")          \
  X(different_roots_taken_for_equal, "anti-entropy finds every peer equal")                      \
  X(first_group_not_compared, "anti-entropy leaves out the first 256 slots")                     \
  X(first_outcome_for_all_hints, "all hints of a batch count as stored if the first was")        \
  X(wrap_not_shared, "of the range that wraps two owners share the upper part alone")            \
  X(failed_batch_keeps_its_stream, "after a batch that failed a target gets no more hints")      \
  X(mended_record_keeps_its_turn, "a record that was mended counts as being mended")             \
  X(shared_slots_of_old_ring, "anti-entropy goes by the ring before")                            \
  /* storage */                                                                                  \
  X(ack_before_commit, "a write is acked before its commit")                                     \
  X(commit_not_synced, "commits are not fsynced")                                                \
  X(disk_full_told_as_ok, "a commit that found no room is told as done")                         \
  X(log_not_rewritten, "a start trusts the log that it finds")                                   \
  X(record_checksum_ignored, "a record that fails its checksum is read")                         \
  X(newer_hint_erased, "a delivered hint is erased although a newer one merged in")              \
  X(disk_full_for_ever, "a disk that was full once is full until the next start")                \
  X(hints_not_counted_at_open, "a start does not count the hints that it finds")                 \
  X(sole_mark_lost, "a hint that merges into an only copy makes it droppable")                   \
  X(undone_not_counted, "nobody is told that early answers were undone")                         \
  /* membership */                                                                               \
  X(goodbye_for_ever, "what a member that left says in its next life is not heard")              \
  X(keyspace_last_heard_wins, "an older record of a keyspace takes the place of a later one")    \
  X(keyspace_set_alone, "default levels count as set when the node asked has them")              \
  X(keyspace_change_not_on_top,                                                                  \
    "of two changes of a keyspace at one moment the later forgets one")                          \
  X(generation_not_raised, "a restart keeps the generation of the life before")                  \
  X(incarnation_not_raised, "a refutation names the incarnation that is accused")                \
  X(refutation_ignored, "a higher incarnation supersedes nothing")                               \
  X(suspicion_never_ends, "a suspect is never convicted")                                        \
  X(foreign_caller_served, "a request of another cluster is served")                             \
  X(one_way_cut_taken_for_alive, "a helper vouches for a member that did not answer it")         \
  X(dead_not_probed, "nobody asks whether a dead member is back")                                \
  X(view_digests_ignored, "nobody compares the digests of views")                                \
  X(membership_not_saved, "a restart does not know the members")                                 \
  X(datagram_checksum_ignored, "a datagram that fails its checksum is read")                     \
  X(failed_sync_keeps_its_turn, "after a failed exchange that member is not asked again")        \
  X(keyspace_majority_of_the_up, "default levels need a majority of those that are up")          \
  /* runtime */                                                                                  \
  X(frame_checksum_ignored, "a frame that fails its checksum is read")                           \
  X(expired_request_served,                                                                      \
    "the time that a request lay in buffers is not taken off its deadline")                      \
  X(frame_may_never_end, "a damaged length is believed, and such a frame may never end")         \
  X(never_redials, "a peer connection that failed is not dialled again")                         \
  X(broken_peer_link_told_as_unsent, "calls on a link that broke count as not sent")             \
  /* api */                                                                                      \
  X(writes_amid_join, "writes are taken while somebody joins")                                   \
  X(old_copy_serves, "an old copy of a disk serves before it is whole")                          \
  /* client */                                                                                   \
  X(lost_connection_told_as_not_written, "a connection lost under a write is `not_written`")     \
  X(client_deadline_ignored, "a call waits past its deadline")                                   \
  X(batch_results_by_group, "a batch that is cut has its results in the order of the parts")     \
  X(default_levels_mixed_up, "reads take the default of writes, and the reverse")                \
  X(hedged_batch_refusal_stands, "a refusal in a batch stands although another node was asked")  \
  X(hedge_without_op, "another node is asked without the op-id")                                 \
  X(silent_attempt_forgotten, "a refusal stands although another node keeps silent")             \
  X(last_refusal_decides, "a refusal stands though an earlier attempt broke")                    \
  X(lone_item_without_op, "an item alone goes without its op-id")

namespace parley::sim {

#define PARLEY_MUTANT_NAME(name, what) name,
enum class Mutant : std::uint8_t { none, PARLEY_MUTANTS(PARLEY_MUTANT_NAME) };
#undef PARLEY_MUTANT_NAME

extern Mutant planted;

}  // namespace parley::sim

#define PARLEY_MUTANT(name) (::parley::sim::planted == ::parley::sim::Mutant::name)
