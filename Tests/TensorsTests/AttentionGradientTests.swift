import CKernels
import Foundation
import Testing

@testable import Tensors

/// Attention backwards for heads of 16 columns, at every vector width this processor has.
@Suite struct AttentionGradientTests {
    private static let lanes = [4, 8, 16].filter { $0 <= pk_lanes() }

    /// Against the kernel in double precision, which finite differences check; ragged segments, with and without a
    /// mask, added to and written.
    @Test(arguments: lanes, [[(16, 100), (3, 7), (1, 1), (33, 5)], [(5, 5), (5, 5)], [(18, 18), (18, 18)]])
    func equalsDoublePrecision(_ lanes: Int, _ sizes: [(nq: Int, nk: Int)]) {
        let heads = 2, c = 32, masked = sizes.allSatisfy { $0 == sizes[0] }
        var segments: [AttentionSegment] = [], queries = 0, keys = 0
        for s in sizes {
            segments.append(AttentionSegment(queries: queries..<queries + s.nq, keys: keys..<keys + s.nk))
            queries += s.nq
            keys += s.nk
        }
        var noise = Noise(state: UInt64(queries))
        let q: [Float] = noise.array(queries * c).map { 3 * $0 }, k: [Float] = noise.array(keys * c),
            v: [Float] = noise.array(keys * c)
        let dout: [Float] = noise.array(queries * c), start: [Float] = noise.array((queries + keys) * c)
        let mask: [UInt8]? =
            masked ? (0..<sizes[0].nq * sizes[0].nk).map { $0 % sizes[0].nk <= $0 / sizes[0].nk ? 1 : 0 } : nil
        var q64 = q.map(Double.init), k64 = k.map(Double.init), v64 = v.map(Double.init),
            dout64 = dout.map(Double.init), out64 = q64
        var saved64 = [Double](repeating: 0, count: pk_attention_saved(segments, segments.count, heads))
        for written in [false, true] {
            func initial(_ n: Int) -> [Float] { written ? Array(repeating: .nan, count: n) : Array(start[..<n]) }
            var dq64 = initial(queries * c).map { written ? 0 : Double($0) },
                dk64 = initial(keys * c).map { written ? 0 : Double($0) }, dv64 = dk64
            pk_attention_forward_f64(
                &q64, &k64, &v64, c, c, segments, segments.count, heads, 16, mask, &out64, c, &saved64)
            pk_attention_backward_f64(
                &q64, &k64, &v64, c, c, segments, segments.count, heads, 16, saved64, &dout64, c, &dq64, &dk64, &dv64)
            let count = pk_attention16_kept(lanes, segments, segments.count, heads)
            let kept = UnsafeMutableRawPointer.allocate(byteCount: 4 * count, alignment: 64).bindMemory(
                to: Float.self, capacity: count)
            defer { UnsafeMutableRawPointer(kept).deallocate() }
            var out = q, dq = initial(queries * c), dk = initial(keys * c), dv = dk
            pk_attention16(lanes, q, k, v, c, c, segments, segments.count, heads, mask, &out, c, kept)
            pk_attention16_backward(
                lanes, q, k, v, c, c, segments, segments.count, heads, kept, dout, c, &dq, written ? 1 : 0, &dk, &dv,
                written ? 1 : 0)
            for (name, found, exact) in [("out", out, out64), ("dq", dq, dq64), ("dk", dk, dk64), ("dv", dv, dv64)] {
                let worst = zip(found, exact).reduce(0.0) {
                    max($0, $1.0.isFinite ? abs(Double($1.0) - $1.1) / (1 + abs($1.1)) : .infinity)
                }
                #expect(worst < 5e-6, "\(name), written \(written), \(lanes) lanes")
            }
        }
    }
}
