/** VLAN tags of an skb: one in its metadata (vlan_proto, vlan_tci), further ones inline. include/linux/if_vlan.h, net/core/skbuff.c. */
import {
  ENOMEM,
  ETH_HLEN,
  ETH_P_8021AD,
  ETH_P_8021Q,
  SkBuff_at_ingress,
  SkBuff_data,
  SkBuff_data_meta,
  SkBuff_head,
  SkBuff_len,
  SkBuff_mac_header,
  SkBuff_mac_len,
  SkBuff_network_header,
  SkBuff_protocol,
  SkBuff_vlan_present,
  SkBuff_vlan_proto,
  SkBuff_vlan_tci,
} from "../layout/layout.generated.as";
import { protocolOf } from "./resize.as";
import { skbMakeRoom, skbNetworkOffset, skbPostpullChecksum, skbPostpushChecksum, skbPull, skbPush, skbResetMacLen } from "./skb.as";

const VLAN_HLEN: u32 = 4;
const VLAN_ETH_HLEN: u32 = 18;
const TWO_ADDRESSES: u32 = 12;

/** Whether this EtherType (network order) is that of a VLAN tag. */
export function isVlan(protocol: u32): bool {
  return protocol == protocolOf(ETH_P_8021Q) || protocol == protocolOf(ETH_P_8021AD);
}

/** Keeps a tag in the skb's metadata; `protocol` in network order, `tci` in host order. */
export function skbPutVlanTag(skb: u32, protocol: u32, tci: u32): void {
  store<u32>(skb, protocol, SkBuff_vlan_proto);
  store<u32>(skb, tci & 0xffff, SkBuff_vlan_tci);
  store<u32>(skb, 1, SkBuff_vlan_present);
}

export function skbClearVlanTag(skb: u32): void {
  store<u32>(skb, 0, SkBuff_vlan_proto);
  store<u32>(skb, 0, SkBuff_vlan_tci);
  store<u32>(skb, 0, SkBuff_vlan_present);
}

/** Writes the tag of the metadata between the addresses and the EtherType (__vlan_insert_tag). The metadata keeps it. Gives 0 or -ENOMEM. */
export function skbInsertVlanTag(skb: u32): i32 {
  if (skbMakeRoom(skb, VLAN_HLEN, 0) != 0) return -ENOMEM;
  const data = skbPush(skb, VLAN_HLEN);
  memory.copy(data, data + VLAN_HLEN, TWO_ADDRESSES);
  store<u16>(data, load<u32>(skb, SkBuff_vlan_proto), TWO_ADDRESSES);
  store<u16>(data, bswap<u16>(u16(load<u32>(skb, SkBuff_vlan_tci))), TWO_ADDRESSES + 2);
  store<u32>(skb, load<u32>(skb, SkBuff_mac_header) - VLAN_HLEN, SkBuff_mac_header);
  return 0;
}

/** The EtherType of a frame, whose 2 bytes `stated` may be an 802.3 length: then `next` says which kind of LLC follows. */
export function etherType(stated: u32, next: u32): u32 {
  if ((stated & 0xff) >= 6) return stated;
  return protocolOf(next == 0xffff ? 1 : 4);
}

/** Takes the first inline tag out of the frame (__skb_vlan_pop): its TCI in host order, or -ENOMEM for a frame too short. */
function takeInlineTag(skb: u32): i32 {
  if (load<u32>(skb, SkBuff_len) < VLAN_ETH_HLEN) return -ENOMEM;
  const old = load<u32>(skb, SkBuff_data);
  skbPostpullChecksum(skb, old + TWO_ADDRESSES, VLAN_HLEN);
  const tci = bswap<u16>(load<u16>(old, ETH_HLEN));
  store<u32>(skb, etherType(load<u16>(old, ETH_HLEN + 2), load<u16>(old, ETH_HLEN + 4)), SkBuff_protocol);
  const data = skbPull(skb, VLAN_HLEN);
  memory.copy(data, old, TWO_ADDRESSES);
  store<u32>(skb, load<u32>(skb, SkBuff_mac_header) + VLAN_HLEN, SkBuff_mac_header);
  if (skbNetworkOffset(skb) < i32(ETH_HLEN)) {
    store<u32>(skb, data - load<u32>(skb, SkBuff_head) + ETH_HLEN, SkBuff_network_header);
  }
  skbResetMacLen(skb);
  return tci;
}

/** At ingress skb->csum leaves out the MAC header; around changes of it the header is taken in (bpf_push_mac_rcsum) and out again. */
function includeMacHeader(skb: u32): void {
  if (load<u32>(skb, SkBuff_at_ingress)) skbPostpushChecksum(skb, load<u32>(skb, SkBuff_data), load<u32>(skb, SkBuff_mac_len));
}

function excludeMacHeader(skb: u32): void {
  if (load<u32>(skb, SkBuff_at_ingress)) skbPostpullChecksum(skb, load<u32>(skb, SkBuff_data), load<u32>(skb, SkBuff_mac_len));
}

/** skb_vlan_push */
function push(skb: u32, protocol: u32, tci: u32): i32 {
  if (load<u32>(skb, SkBuff_vlan_present)) {
    const fault = skbInsertVlanTag(skb);
    if (fault != 0) return fault;
    store<u32>(skb, load<u32>(skb, SkBuff_vlan_proto), SkBuff_protocol);
    store<u32>(skb, load<u32>(skb, SkBuff_mac_len) + VLAN_HLEN, SkBuff_mac_len);
    store<u32>(skb, load<u32>(skb, SkBuff_network_header) - VLAN_HLEN, SkBuff_network_header);
    skbPostpushChecksum(skb, load<u32>(skb, SkBuff_data) + TWO_ADDRESSES, VLAN_HLEN);
  }
  skbPutVlanTag(skb, protocol, tci);
  return 0;
}

/** bpf_skb_vlan_push: a tag in the metadata; the one that was there moves into the frame. Any protocol but 802.1ad means 802.1Q. */
export function skbVlanPush(skb: u32, protocol: u32, tci: u32): i32 {
  let tag = protocol & 0xffff;
  if (!isVlan(tag)) tag = protocolOf(ETH_P_8021Q);
  includeMacHeader(skb);
  const result = push(skb, tag, tci);
  excludeMacHeader(skb);
  skbResetMacLen(skb);
  return result;
}

/** skb_vlan_pop */
function pop(skb: u32): i32 {
  if (load<u32>(skb, SkBuff_vlan_present)) skbClearVlanTag(skb);
  else {
    if (!isVlan(load<u32>(skb, SkBuff_protocol))) return 0;
    const tci = takeInlineTag(skb);
    if (tci < 0) return tci;
  }
  const protocol = load<u32>(skb, SkBuff_protocol);
  if (!isVlan(protocol)) return 0;
  const tci = takeInlineTag(skb);
  if (tci < 0) return tci;
  skbPutVlanTag(skb, protocol, tci);
  return 0;
}

/** skb_vlan_untag: at ingress the outer inline tag moves into the metadata, unless one is there already. False for a frame too short to have its tag. */
export function skbVlanUntag(skb: u32): bool {
  const protocol = load<u32>(skb, SkBuff_protocol);
  if (load<u32>(skb, SkBuff_vlan_present) || !isVlan(protocol)) return true;
  const meta = load<u32>(skb, SkBuff_data_meta);
  const length = load<u32>(skb, SkBuff_data) - meta;
  const tci = takeInlineTag(skb);
  if (tci < 0) return false;
  // The metadata stays in front of the frame (skb_reorder_vlan_header).
  if (length != 0) memory.copy(meta + VLAN_HLEN, meta, length);
  skbPutVlanTag(skb, protocol, tci);
  return true;
}

/** bpf_skb_vlan_pop: drops the outer tag; the next inline one moves into the metadata. */
export function skbVlanPop(skb: u32): i32 {
  includeMacHeader(skb);
  const result = pop(skb);
  excludeMacHeader(skb);
  skbResetMacLen(skb);
  return result;
}
