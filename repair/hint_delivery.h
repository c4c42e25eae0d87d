// HintDelivery: streams the hints kept here to targets that are up, in key order, and erases what
// they acked. Paced by few batches under way; below foreground work (bulk connection).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/lifetime.h"
#include "repair/copy_store.h"
#include "repair/repair.h"

namespace parley::repair {

class HintDelivery {
 public:
  // `left_over(node)`: a hint for this node is of no use; anti-entropy should meet it.
  HintDelivery(const RepairWorld& world, CopySender& sender,
               std::function<void(const NodeId&)> left_over);

  void start();
  // A target may have come up: look now, not only after hint_retry.
  void look_soon();

 private:
  using Rows = std::shared_ptr<std::vector<storage::HintRow>>;
  struct Stream {
    std::optional<storage::HintKey> after;
    bool listing = false;
    bool ended = false;  // nothing more to list, or stopped until the next look
    std::size_t in_flight = 0;
  };

  void look();
  void pump(const NodeId& target);
  void on_listed(const NodeId& target, Result<std::vector<storage::HintRow>> listed);
  Rows deliverable(std::vector<storage::HintRow> listed);
  void send(const NodeId& target, Rows rows);
  void on_sent(const NodeId& target, const Rows& rows, const Result<StoreReply>& reply);
  void erase(const NodeId& target, const storage::HintRow& row);
  // The target owns the keys of `rows` no more: to those who do, then erase.
  void readdress(const NodeId& target, std::vector<storage::HintRow> rows);
  void send_to_owner(const NodeId& target, const NodeId& owner, const Rows& rows,
                     std::shared_ptr<std::vector<std::size_t>> missing,
                     const std::vector<std::size_t>& which);
  void useless(const storage::HintRow& row, const char* why);
  void stop(const NodeId& target);
  void release(const NodeId& target);

  const RepairWorld& world_;
  CopySender& sender_;
  std::function<void(const NodeId&)> left_over_;
  std::map<NodeId, Stream> streams_;
  std::set<storage::HintKey> reported_;  // useless hints that were logged
  bool started_ = false;
  runtime::Timer timer_;

  Counter delivered_;
  Counter readdressed_;
  Counter useless_;
  Lifetime alive_;
};

}  // namespace parley::repair
