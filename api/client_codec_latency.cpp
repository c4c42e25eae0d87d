// Latencies, to and from the schema.
#include "api/client_codec.h"

namespace parley::client {
namespace {

using Buckets = capnp::List<schema::LatencyBucket>;

void write_buckets(const LatencyBuckets& in, Buckets::Builder out) {
  for (unsigned i = 0; i < in.size(); ++i) {
    out[i].setFromMs(static_cast<float>(in[i].from_ms));
    out[i].setToMs(static_cast<float>(in[i].to_ms));
    out[i].setWeight(static_cast<float>(in[i].weight));
  }
}

LatencyBuckets read_buckets(Buckets::Reader in) {
  LatencyBuckets out;
  out.reserve(in.size());
  for (const auto one : in) out.push_back({one.getFromMs(), one.getToMs(), one.getWeight()});
  return out;
}

unsigned count(const LatencyBuckets& buckets) { return static_cast<unsigned>(buckets.size()); }

void write_peer(const PeerLatencies& in, schema::NodeLatencies::Peer::Builder out) {
  out.setNode(text_for(in.node));
  out.setAddress(text_for(in.address));
  write_buckets(in.write_out, out.initWriteOut(count(in.write_out)));
  write_buckets(in.write_back, out.initWriteBack(count(in.write_back)));
  write_buckets(in.read_out, out.initReadOut(count(in.read_out)));
  write_buckets(in.read_back, out.initReadBack(count(in.read_back)));
}

}  // namespace

void write_struct(const NodeLatencies& in, schema::NodeLatencies::Builder out) {
  out.setNode(text_for(in.node));
  out.setAddress(text_for(in.address));
  write_buckets(in.mint, out.initMint(count(in.mint)));
  write_buckets(in.merge, out.initMerge(count(in.merge)));
  write_buckets(in.read, out.initRead(count(in.read)));
  auto peers = out.initPeers(static_cast<unsigned>(in.peers.size()));
  for (unsigned i = 0; i < in.peers.size(); ++i) write_peer(in.peers[i], peers[i]);
}

NodeLatencies read_struct(schema::NodeLatencies::Reader in) {
  NodeLatencies out;
  out.node = text_of(in.getNode());
  out.address = text_of(in.getAddress());
  out.mint = read_buckets(in.getMint());
  out.merge = read_buckets(in.getMerge());
  out.read = read_buckets(in.getRead());
  for (const auto peer : in.getPeers()) {
    out.peers.push_back({text_of(peer.getNode()), text_of(peer.getAddress()),
                         read_buckets(peer.getWriteOut()), read_buckets(peer.getWriteBack()),
                         read_buckets(peer.getReadOut()), read_buckets(peer.getReadBack())});
  }
  return out;
}

}  // namespace parley::client
