#include "replication/staleness.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/check.h"

namespace parley::replication {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// Draws from buckets; even within each.
class Sampler {
 public:
  Sampler() = default;
  explicit Sampler(const LatencyBuckets& buckets) : buckets_(buckets) {
    for (const LatencyBucket& one : buckets_) sums_.push_back(total_ += one.weight);
  }
  double draw(Random& random) const {
    if (total_ <= 0) return 0;
    const double at = random.unit() * total_;
    const auto place = std::upper_bound(sums_.begin(), sums_.end(), at) - sums_.begin();
    const auto last = static_cast<std::ptrdiff_t>(buckets_.size()) - 1;
    const LatencyBucket& one = buckets_[static_cast<std::size_t>(std::min(place, last))];
    return one.from_ms + (one.to_ms - one.from_ms) * random.unit();
  }

 private:
  LatencyBuckets buckets_;
  std::vector<double> sums_;
  double total_ = 0;
};

struct LinkSamplers {
  explicit LinkSamplers(const ModelLink& link)
      : write_out(link.write_out),
        write_back(link.write_back),
        read_out(link.read_out),
        read_back(link.read_back) {}
  Sampler write_out, write_back, read_out, read_back;
};

struct NodeSamplers {
  explicit NodeSamplers(const ModelNode& node)
      : mint(node.mint), merge(node.merge), read(node.read) {
    for (const ModelLink& link : node.to) to.emplace_back(link);
  }
  Sampler mint, merge, read;
  std::vector<LinkSamplers> to;
};

// The required-th smallest of `values`; kNever if there are too few.
double smallest(std::vector<double> values, std::size_t required) {
  if (values.size() < required) return kNever;
  std::sort(values.begin(), values.end());
  return values[required - 1];
}

// One write as one owner coordinates it. Owners by place in the range.
struct OwnerAttempt {
  std::vector<double> seen_from;  // when each owner has it on its disk
  std::vector<double> acks;       // when the minter knows so
  double hints_done = 0;          // for owners that are down; the reply waits for them
};

// One read: the answers it waits for, by when the question reached their owner.
struct ReadAttempt {
  std::vector<std::pair<std::size_t, double>> asked_at;  // owner, when it was asked there
  double done = kNever;
};

class OneTrial {
 public:
  OneTrial(const StalenessModel& model, const std::vector<NodeSamplers>& samplers,
           const std::vector<std::size_t>& owners, Random& random)
      : model_(model), samplers_(samplers), owners_(owners), random_(random) {}

  // One entry for each number of acks required, 1..n.
  struct Written {
    std::vector<double> acked;
    std::vector<std::vector<double>> seen_from;
  };
  Written write(std::size_t coordinator) {
    const std::size_t n = owners_.size();
    Written out{std::vector<double>(n, kNever),
                std::vector<std::vector<double>>(n, std::vector<double>(n, kNever))};
    const auto own = place_of(coordinator);
    std::vector<std::size_t> order = own ? std::vector<std::size_t>{*own} : up_owners();
    for (std::size_t tried = 0; tried < order.size(); ++tried) {
      const double begun = own ? 0 : static_cast<double>(tried) * model_.pass_hedge_ms;
      // The next owner is asked only where the first ones are silent for that long.
      if (tried > 0 && *std::max_element(out.acked.begin(), out.acked.end()) <= begun) break;
      const std::size_t minter = owners_[order[tried]];
      const double way = own ? 0 : link(coordinator, minter).write_out.draw(random_);
      const double way_back = own ? 0 : link(coordinator, minter).write_back.draw(random_);
      const OwnerAttempt attempt = mint_at(order[tried], begun + way);
      for (std::size_t w = 1; w <= n; ++w) {
        if (tried > 0 && out.acked[w - 1] <= begun) continue;
        const double known = std::max(smallest(attempt.acks, w), attempt.hints_done);
        out.acked[w - 1] = std::min(out.acked[w - 1], known + way_back);
        for (std::size_t i = 0; i < n; ++i) {
          double& seen = out.seen_from[w - 1][i];
          seen = std::min(seen, attempt.seen_from[i]);
        }
      }
    }
    return out;
  }

  // One entry for each number of answers required, 1..n.
  std::vector<ReadAttempt> read(std::size_t coordinator) {
    const std::vector<std::size_t> order = asking_order(coordinator);
    std::vector<double> ways, answers;  // after an owner was asked
    for (const std::size_t owner : order) {
      const std::size_t node = owners_[owner];
      const bool self = node == coordinator;
      const double served = samplers_[node].read.draw(random_);
      ways.push_back(self ? 0 : link(coordinator, node).read_out.draw(random_));
      const double back = self ? 0 : link(coordinator, node).read_back.draw(random_);
      answers.push_back(ways.back() + served + back);
    }
    std::vector<ReadAttempt> out(owners_.size());
    for (std::size_t r = 1; r <= owners_.size(); ++r) {
      if (r <= order.size()) out[r - 1] = read_requiring(r, order, ways, answers);
    }
    return out;
  }

 private:
  const LinkSamplers& link(std::size_t from, std::size_t to) const {
    return samplers_[from].to[to];
  }
  std::optional<std::size_t> place_of(std::size_t node) const {
    const auto found = std::find(owners_.begin(), owners_.end(), node);
    if (found == owners_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - owners_.begin());
  }
  std::vector<std::size_t> up_owners() const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < owners_.size(); ++i) {
      if (model_.nodes[owners_[i]].up) out.push_back(i);
    }
    return out;
  }
  std::vector<std::size_t> asking_order(std::size_t coordinator) const {
    std::vector<std::size_t> out = up_owners();
    std::stable_partition(out.begin(), out.end(),
                          [&](std::size_t place) { return owners_[place] == coordinator; });
    return out;
  }

  OwnerAttempt mint_at(std::size_t place, double begun) {
    const std::size_t minter = owners_[place];
    OwnerAttempt out{std::vector<double>(owners_.size(), kNever), {}, 0};
    const double minted = begun + samplers_[minter].mint.draw(random_);
    out.seen_from[place] = minted;
    out.acks.push_back(minted);
    for (std::size_t i = 0; i < owners_.size(); ++i) {
      if (i == place) continue;
      const std::size_t node = owners_[i];
      if (!model_.nodes[node].up) {
        // A hint is one more commit of the minter's.
        out.hints_done = std::max(out.hints_done, minted + samplers_[minter].mint.draw(random_));
        continue;
      }
      const LinkSamplers& way = link(minter, node);
      out.seen_from[i] = minted + way.write_out.draw(random_) + samplers_[node].merge.draw(random_);
      out.acks.push_back(out.seen_from[i] + way.write_back.draw(random_));
    }
    return out;
  }

  ReadAttempt read_requiring(std::size_t required, const std::vector<std::size_t>& order,
                             const std::vector<double>& ways,
                             const std::vector<double>& answers) const {
    std::vector<double> asked(required, 0),
        arrived(answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(required));
    for (std::size_t more = 1; required + more <= order.size(); ++more) {
      const double when = static_cast<double>(more) * model_.read_hedge_ms;
      if (smallest(arrived, required) <= when) break;
      asked.push_back(when);
      arrived.push_back(when + answers[required + more - 1]);
    }
    ReadAttempt out;
    out.done = smallest(arrived, required);
    for (std::size_t i = 0; i < asked.size() && out.asked_at.size() < required; ++i) {
      if (arrived[i] <= out.done) out.asked_at.emplace_back(order[i], asked[i] + ways[i]);
    }
    return out;
  }

  const StalenessModel& model_;
  const std::vector<NodeSamplers>& samplers_;
  const std::vector<std::size_t>& owners_;
  Random& random_;
};

// How long after the ack a read must begin so that one of its answers has the write.
double fresh_after(const ReadAttempt& read, const std::vector<double>& seen_from, double acked) {
  if (std::isinf(acked) || read.asked_at.empty()) return kNever;
  double least = kNever;
  for (const auto& [owner, asked_at] : read.asked_at) {
    least = std::min(least, seen_from[owner] - asked_at - acked);
  }
  return std::max(least, 0.0);
}

}  // namespace

Trials::Trials(std::vector<double> values) : values_(std::move(values)) {
  std::sort(values_.begin(), values_.end());
}

double Trials::share_within(double value) const {
  if (values_.empty()) return 0;
  const auto within = std::upper_bound(values_.begin(), values_.end(), value) - values_.begin();
  return static_cast<double>(within) / static_cast<double>(values_.size());
}

double Trials::quantile(double share) const {
  PARLEY_CHECK(!values_.empty());
  const auto place = std::ceil(share * static_cast<double>(values_.size())) - 1;
  const auto last = static_cast<double>(values_.size() - 1);
  return values_[static_cast<std::size_t>(std::clamp(place, 0.0, last))];
}

Staleness::Staleness(std::size_t n) : n_(n), fresh_after_(n * n), write_ms_(n), read_ms_(n) {}

Staleness predict_staleness(const StalenessModel& model, std::size_t trials, Random random) {
  std::vector<NodeSamplers> samplers;
  std::vector<std::size_t> up;
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    samplers.emplace_back(model.nodes[i]);
    if (model.nodes[i].up) up.push_back(i);
  }
  PARLEY_CHECK(!up.empty() && !model.ranges.empty() && trials > 0);
  std::vector<double> shares;
  for (const ModelRange& range : model.ranges) {
    shares.push_back((shares.empty() ? 0 : shares.back()) + range.share);
  }
  const std::size_t n = model.ranges.front().owners.size();
  std::vector<std::vector<double>> fresh(n * n), writes(n), reads(n);
  for (std::size_t trial = 0; trial < trials; ++trial) {
    const double at = random.unit() * shares.back();
    const auto range = std::upper_bound(shares.begin(), shares.end() - 1, at) - shares.begin();
    OneTrial one(model, samplers, model.ranges[static_cast<std::size_t>(range)].owners, random);
    const std::size_t writer = random.below(up.size());
    const std::size_t step = up.size() > 1 ? 1 + random.below(up.size() - 1) : 0;
    const auto written = one.write(up[writer]);
    const auto read = one.read(up[(writer + step) % up.size()]);
    for (std::size_t w = 0; w < n; ++w) {
      writes[w].push_back(written.acked[w]);
      reads[w].push_back(read[w].done);
      for (std::size_t r = 0; r < n; ++r) {
        fresh[r * n + w].push_back(fresh_after(read[r], written.seen_from[w], written.acked[w]));
      }
    }
  }
  Staleness out(n);
  for (std::size_t i = 0; i < n * n; ++i) out.fresh_after_[i] = Trials(std::move(fresh[i]));
  for (std::size_t i = 0; i < n; ++i) {
    out.write_ms_[i] = Trials(std::move(writes[i]));
    out.read_ms_[i] = Trials(std::move(reads[i]));
  }
  return out;
}

}  // namespace parley::replication
