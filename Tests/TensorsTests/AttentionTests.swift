import CKernels
import Foundation
import Testing

@testable import Tensors

/// Attention without a backward pass, for heads of 16 columns, at every vector width this processor has.
@Suite struct AttentionTests {
    private static let heads = 3, width = 16, columns = 48
    private static let lanes = [4, 8, 16].filter { $0 <= pk_lanes() }

    /// Q rows stand 5 apart beyond their columns, K and V 7; the gaps hold NaN, which any read beyond a row would
    /// spread.
    private struct Problem {
        var q: [Float], k: [Float], v: [Float]

        init(queries: Int, keys: Int, seed: UInt64) {
            var noise = Noise(state: seed)
            func filled(_ rows: Int, _ stride: Int, _ size: Double) -> [Float] {
                (0..<rows * stride).map { $0 % stride < columns ? Float(size * noise.next()) : .nan }
            }
            q = filled(queries, columns + 5, 3)
            k = filled(keys, columns + 7, 1)
            v = filled(keys, columns + 7, 1)
        }

        /// Rows × columns; what no segment asks for stays −7.
        func run(lanes: Int, _ segments: [AttentionSegment], mask: [UInt8]? = nil) -> [Float] {
            let rows = q.count / (columns + 5)
            var out = [Float](repeating: -7, count: rows * columns)
            pk_attention16(
                lanes, q, k, v, columns + 5, columns + 7, segments, segments.count, heads, mask, &out, columns, nil)
            return out
        }

        /// softmax(q·k/√16) v of one query in double precision.
        func plain(_ i: Int, _ keys: Range<Int>, allowed: (Int) -> Bool) -> [Double] {
            (0..<heads).flatMap { h -> [Double] in
                func at(_ x: [Float], _ row: Int, _ stride: Int, _ d: Int) -> Double {
                    Double(x[row * stride + h * width + d])
                }
                let weights = keys.map { j -> Double in
                    let dot = (0..<width).reduce(0) { $0 + at(q, i, columns + 5, $1) * at(k, j, columns + 7, $1) }
                    return allowed(j - keys.lowerBound) ? exp(dot / 4) : 0
                }
                let total = weights.reduce(0, +)
                return (0..<width).map { d in
                    zip(keys, weights).reduce(0) { $0 + $1.1 / total * at(v, $1.0, columns + 7, d) }
                }
            }
        }
    }

    /// Segments of every size around the blocks' edges, ragged within one call, with some rows left out.
    @Test(arguments: lanes)
    func equalsPlainLoops(_ lanes: Int) {
        let sizes = [
            (1, 1), (3, 3), (4, 4), (2, 5), (16, 16), (18, 18), (17, 7), (5, 8), (33, 9), (16, 100), (1, 33), (4, 2),
        ]
        var segments: [AttentionSegment] = [], queries = 0, keys = 0
        for (nq, nk) in sizes {
            segments.append(AttentionSegment(queries: queries..<queries + nq, keys: keys..<keys + nk))
            queries += nq + 1
            keys += nk
        }
        let problem = Problem(queries: queries, keys: keys, seed: 3), out = problem.run(lanes: lanes, segments)
        for s in segments {
            for i in Int(s.q0)..<Int(s.q0 + s.nq) {
                let expected = problem.plain(i, Int(s.k0)..<Int(s.k0 + s.nk)) { _ in true }
                let worst = (0..<Self.columns).map { abs(Double(out[i * Self.columns + $0]) - expected[$0]) }.max()!
                #expect(worst < 2e-6, "query \(i - Int(s.q0)) of \(s.nq), \(s.nk) keys")
            }
            let after = Int(s.q0 + s.nq) * Self.columns
            #expect(out[after..<after + Self.columns].allSatisfy { $0 == -7 }, "row after \(s.nq) × \(s.nk)")
        }
    }

    @Test(arguments: lanes, [(3, 3), (18, 18), (16, 100), (20, 6)])
    func masked(_ lanes: Int, _ size: (nq: Int, nk: Int)) {
        let (nq, nk) = size, mask: [UInt8] = (0..<nq * nk).map { $0 % nk == 0 || $0 % 3 != 0 ? 1 : 0 }
        let segments = (0..<2).map { AttentionSegment(queries: $0 * nq..<($0 + 1) * nq, keys: $0 * nk..<($0 + 1) * nk) }
        let problem = Problem(queries: 2 * nq, keys: 2 * nk, seed: 4),
            out = problem.run(lanes: lanes, segments, mask: mask)
        for i in 0..<2 * nq {
            let expected = problem.plain(i, i / nq * nk..<(i / nq + 1) * nk) { mask[i % nq * nk + $0] != 0 }
            #expect(
                (0..<Self.columns).allSatisfy { abs(Double(out[i * Self.columns + $0]) - expected[$0]) < 2e-6 },
                "query \(i)")
        }
    }

    /// Queries with lists of keys of their own, which share rows, stand anywhere and are of every length around a
    /// vector's; each alone and among others.
    @Test(arguments: lanes) func alongLists(_ lanes: Int) {
        let lengths = [1, 2, 5, 15, 16, 17, 33], keys = 40,
            problem = Problem(queries: lengths.count + 1, keys: keys, seed: 6)
        var segments: [AttentionSegment] = [], list: [Int32] = []
        for (i, n) in lengths.enumerated() {
            segments.append(AttentionSegment(queries: i..<i + 1, keys: list.count..<list.count + n))
            list += (0..<n).map { Int32((7 * i + 11 * $0) % keys) }
        }
        func run(_ segments: [AttentionSegment]) -> [Float] {
            var out = [Float](repeating: -7, count: (lengths.count + 1) * Self.columns)
            pk_attention16_along(
                lanes, problem.q, problem.k, problem.v, Self.columns + 5, Self.columns + 7, segments, segments.count,
                list, Self.heads, &out, Self.columns)
            return out
        }
        let whole = run(segments)
        for (i, s) in segments.enumerated() {
            var own = problem
            func rows(_ x: [Float]) -> [Float] {
                list[Int(s.k0)..<Int(s.k0 + s.nk)].flatMap { key -> ArraySlice<Float> in
                    let at = Int(key) * (Self.columns + 7)
                    return x[at..<at + Self.columns + 7]
                }
            }
            (own.k, own.v) = (rows(problem.k), rows(problem.v))
            let expected = own.plain(i, 0..<lengths[i]) { _ in true }, row = i * Self.columns..<(i + 1) * Self.columns
            #expect(zip(whole[row], expected).allSatisfy { abs(Double($0) - $1) < 2e-6 }, "\(lengths[i]) keys")
            #expect(run([s])[row].map(\.bitPattern) == whole[row].map(\.bitPattern), "\(lengths[i]) keys alone")
        }
        #expect(whole[(lengths.count * Self.columns)...].allSatisfy { $0 == -7 })
    }

    /// The same bytes alone, among other problems, and wherever a query stands in its own.
    @Test(arguments: lanes, [1, 3, 4, 7, 16, 40])
    func queriesDoNotDependOnTheirCompany(_ lanes: Int, _ nk: Int) {
        let nq = 37, problem = Problem(queries: 3 * nq, keys: 3 * nk, seed: 5)
        let segments = (0..<3).map { AttentionSegment(queries: $0 * nq..<($0 + 1) * nq, keys: $0 * nk..<($0 + 1) * nk) }
        let whole = problem.run(lanes: lanes, segments)
        for i in 0..<3 * nq {
            let alone = problem.run(
                lanes: lanes, [AttentionSegment(queries: i..<i + 1, keys: i / nq * nk..<(i / nq + 1) * nk)])
            let row = i * Self.columns..<(i + 1) * Self.columns
            #expect(alone[row].map(\.bitPattern) == whole[row].map(\.bitPattern), "query \(i)")
        }
    }
}
