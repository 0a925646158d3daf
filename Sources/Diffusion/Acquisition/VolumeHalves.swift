import Foundation

/// A scan's volumes in two halves, each of which is a scan of its own: as many volumes of every shell in both,
/// directions spread evenly over the sphere in both.
///
/// Shells are volumes of one timing whose b differ by 10 % or 50 s/mm² at most. Within a shell the halves are those
/// that no exchange of two volumes spreads more evenly: the energy of charges ±1 at the directions and their opposites,
///
///     E = Σ_{i<j} x_i x_j (1/|g_i − g_j| + 1/|g_i + g_j|),     x = ±1 by half,
///
/// is at a minimum. b≈0 volumes are dealt in turn; a single one belongs to both. Nothing random is in it.
/// - Source: the energy is that of Jones, Horsfield and Simmons, Magn. Reson. Med. 42 (1999) 515.
public struct VolumeHalves: Sendable, Equatable {
    /// Positions of each half's volumes, ascending, and of those that it lacks.
    public let kept: [[Int]], heldOut: [[Int]]

    /// Nil where a half could not be fitted (`Acquisition.keeping`): too few directions.
    public init?(_ acquisition: Acquisition) {
        let zero = acquisition.unweightedIndices
        var half = [Int?](repeating: nil, count: acquisition.count)
        if zero.count > 1 { for (k, i) in zero.enumerated() { half[i] = k % 2 } }
        var sizes = [0, 0]
        for shell in Self.shells(acquisition) {
            let first = sizes[0] <= sizes[1] ? 0 : 1
            for (i, isSecond) in zip(shell, Self.spread(shell.map { acquisition.directions[$0] })) {
                half[i] = isSecond ? 1 - first : first
                sizes[half[i]!] += 1
            }
        }
        kept = (0..<2).map { k in half.indices.filter { half[$0] == nil || half[$0] == k } }
        heldOut = (0..<2).map { k in half.indices.filter { half[$0] == 1 - k } }
        guard kept.allSatisfy({ acquisition.keeping($0) != nil }) else { return nil }
    }

    /// Weighted volumes by shell, positions.
    private static func shells(_ acquisition: Acquisition) -> [[Int]] {
        func timing(_ i: Int) -> (Double, Double) {
            acquisition.timing.map { ($0[i].duration, $0[i].separation) } ?? (0, 0)
        }
        let rising = (0..<acquisition.count).filter { !acquisition.isUnweighted($0) }.sorted {
            let a = timing($0), b = timing($1)
            if a != b { return a < b }
            return (acquisition.bValues[$0], $0) < (acquisition.bValues[$1], $1)
        }
        var shells: [[Int]] = []
        for i in rising {
            if let first = shells.last?.first, timing(first) == timing(i),
                acquisition.bValues[i] <= max(1.1 * acquisition.bValues[first], acquisition.bValues[first] + 50)
            {
                shells[shells.count - 1].append(i)
            } else {
                shells.append([i])
            }
        }
        return shells
    }

    /// Which half of each direction; the first half has as many as the second, or one more.
    private static func spread(_ g: [SIMD3<Double>]) -> [Bool] {
        let n = g.count
        func repulsion(_ a: SIMD3<Double>, _ b: SIMD3<Double>) -> Double {
            func inverse(_ v: SIMD3<Double>) -> Double { 1 / max(1e-3, (v * v).sum().squareRoot()) }
            return inverse(a - b) + inverse(a + b)
        }
        var x = (0..<n).map { $0 % 2 == 0 ? 1.0 : -1 }
        var field = (0..<n).map { i in
            (0..<n).reduce(0.0) { $0 + ($1 == i ? 0 : x[$1] * repulsion(g[i], g[$1])) }
        }
        // Each exchange lowers the energy; there are finitely many halves.
        while true {
            var best = (change: -1e-9, i: 0, j: 0)
            for i in 0..<n where x[i] > 0 {
                for j in 0..<n where x[j] < 0 {
                    let change = 2 * (field[j] - field[i]) - 4 * repulsion(g[i], g[j])
                    if change < best.change { best = (change, i, j) }
                }
            }
            guard best.change < -1e-9 else { return x.map { $0 < 0 } }
            for (k, new) in [(best.i, -1.0), (best.j, 1.0)] {
                x[k] = new
                for l in 0..<n where l != k { field[l] += 2 * new * repulsion(g[k], g[l]) }
            }
        }
    }
}
