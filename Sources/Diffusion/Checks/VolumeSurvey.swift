import Foundation
import Volumes

/// Each volume of a scan beside what the other volumes say of it: brightness, likeness and slices that lost signal.
///
/// A tensor in each voxel predicts every volume. A volume's brightness in a slice is the median over the slice's voxels
/// of the signal over its prediction (of b≈0 volumes: over the median of these), relative to the median of the same
/// over all volumes of its shell, which takes out what a tensor cannot say of strong weighting. At most 400 voxels of a
/// slice are looked at; slices run along the image's third axis.
public struct VolumeSurvey: Sendable, Equatable {
    /// Volumes of like b: the b≈0 volumes, or weighted ones whose b-values lie no more than 80 s/mm² apart.
    public struct Shell: Sendable, Equatable {
        /// Mean b, s/mm².
        public let b: Double
        public let isUnweighted: Bool
        public let volumes: [Int]
        /// −log(S/S0)/b, S the voxel's mean over the shell: its median over voxels, mm²/s; nil for b≈0.
        public let diffusivity: Double?
        /// Median over voxels of the mean signal, in the image's units.
        public let signal: Double
    }

    /// A volume among others of its shell; only shells of enough volumes are looked at.
    public struct Volume: Sendable, Equatable {
        public let index: Int
        /// Median of the brightness over slices; 1 is that of the shell.
        public let brightness: Double
        /// Correlation over voxels with the mean of the shell's other volumes.
        public let likeness: Double
        /// Slices in which signal was lost, and how many were looked at.
        public let lostSlices: [Int], slices: Int

        /// Brightness beyond the drift of a scanner and the scatter of the shell.
        public let isOtherwiseScaled: Bool
    }

    public let shells: [Shell]
    public let volumes: [Volume]
    /// Volumes that look like another kind of image: their likeness is far below that of their shell.
    public let unlike: [Int]

    static let usualBrightness = 0.77...1.3
    /// A slice lost signal when its brightness is below this, and below the others by this many times their spread
    /// (median absolute deviation).
    static let lost = 0.75, spreads = 5.0
    static let voxelsPerSlice = 400, leastPerSlice = 30, leastOfShell = 6

    /// Slices with lost signal over slices looked at.
    public var lostSlices: (lost: Int, of: Int) {
        (volumes.reduce(0) { $0 + $1.lostSlices.count }, volumes.reduce(0) { $0 + $1.slices })
    }

    /// - Parameters:
    ///   - signals: V × M raw values of the mask's voxels; voxels with values that are not finite, or not above 0 on
    ///     average at b≈0, are left out.
    public init(signals: [Float], mask: Mask, acquisition a: Acquisition) {
        let groups = Self.groups(a), m = a.count
        var sample = Sample(signals, mask, a)
        let rows = sample.voxels.map { signals[$0 * m..<$0 * m + m] }
        func mean(_ v: Int, _ list: [Int]) -> Double {
            list.reduce(0) { $0 + Double(rows[v][rows[v].startIndex + $1]) } / Double(list.count)
        }
        // What is no diffusion image at all must spoil neither means nor tensors.
        let foreign = Set(groups.flatMap { Self.foreign($0, rows) })
        let sound = groups.map { group in group.filter { !foreign.contains($0) } }
        sample.fit(signals, sound.flatMap { $0 }.sorted())
        let baseline = rows.indices.map { mean($0, sound[0]) }
        var shells: [Shell] = [], volumes: [Volume] = [], unlike: [Int] = []
        for (group, sound) in zip(groups, sound) {
            let isUnweighted = a.isUnweighted(group[0]),
                b = group.reduce(0) { $0 + a.bValues[$1] } / Double(group.count)
            let means = rows.indices.map { mean($0, sound) }
            let diffusivities =
                isUnweighted ? [] : rows.indices.compactMap { means[$0] > 0 ? -log(means[$0] / baseline[$0]) / b : nil }
            shells.append(
                Shell(
                    b: b, isUnweighted: isUnweighted, volumes: group, diffusivity: Self.median(diffusivities),
                    signal: Self.median(means) ?? 0))
            guard !rows.isEmpty, group.count >= (isUnweighted ? 2 : Self.leastOfShell) else { continue }
            let found = Self.compare(
                group, sound: sound, isUnweighted: isUnweighted, rows: rows, means: means, sample: sample)
            volumes += found
            // Of two that differ one cannot say which is the other.
            let likeness = found.map(\.likeness), usual = Self.median(likeness)!
            let spread = Self.median(likeness.map { abs($0 - usual) })!
            unlike += found.filter { $0.likeness < min(0.5, usual - 0.2) && $0.likeness < usual - 8 * spread }.map(
                \.index)
            if found.count == 2, usual < 0.5 { unlike += group }
        }
        (self.shells, self.volumes, self.unlike) = (shells, volumes.sorted { $0.index < $1.index }, unlike.sorted())
    }

    /// Brightness, likeness and lost slices of the volumes of a shell.
    private static func compare(
        _ group: [Int], sound: [Int], isUnweighted: Bool, rows: [ArraySlice<Float>], means: [Double], sample: Sample
    ) -> [Volume] {
        let n = Double(sound.count)
        // [volume][slice]: log of the median ratio; relative to the shell's median in the slice.
        var levels = [[Double]](repeating: [], count: group.count), kept: [Int] = []
        // Where slices are too small to be judged, the volume as a whole still is.
        let large = sample.slices.filter { $0.voxels.count >= leastPerSlice },
            regions = large.isEmpty ? [(slice: -1, voxels: Array(rows.indices))] : large
        for (slice, voxels) in regions {
            let ratios = group.map { i -> Double in
                let values = voxels.compactMap { v -> Double? in
                    let y = Double(rows[v][rows[v].startIndex + i]),
                        expected = isUnweighted ? means[v] : sample.prediction(v, i)
                    return expected > 0 ? y / expected : nil
                }
                return log(max(median(values) ?? 1, 1e-3))
            }
            let usual = median(ratios)!
            for k in group.indices { levels[k].append(ratios[k] - usual) }
            kept.append(slice)
        }
        let all = levels.flatMap { $0 }, spread = median(all.map { abs($0) }) ?? 0
        return group.enumerated().map { k, i in
            let level = median(levels[k]) ?? 0
            let lost =
                large.isEmpty
                ? []
                : kept.indices.filter { levels[k][$0] - level < min(log(Self.lost), -spreads * spread) }.map {
                    kept[$0]
                }
            var sums = (x: 0.0, y: 0.0, xx: 0.0, yy: 0.0, xy: 0.0)
            for v in rows.indices {
                let x = Double(rows[v][rows[v].startIndex + i]),
                    y = sound.contains(i) && n > 1 ? (n * means[v] - x) / (n - 1) : means[v]
                sums.x += x; sums.y += y; sums.xx += x * x; sums.yy += y * y; sums.xy += x * y
            }
            let count = Double(rows.count), varX = sums.xx - sums.x * sums.x / count,
                varY = sums.yy - sums.y * sums.y / count
            let likeness = varX > 0 && varY > 0 ? (sums.xy - sums.x * sums.y / count) / (varX * varY).squareRoot() : 0
            // Without slices of many voxels a tensor's misfit does not average out.
            let isJudged = isUnweighted || !large.isEmpty, isUsual = usualBrightness.contains(exp(level))
            return Volume(
                index: i, brightness: exp(level), likeness: likeness, lostSlices: lost, slices: large.count,
                isOtherwiseScaled: isJudged && !isUsual && abs(level) > 6 * spread)
        }
    }

    /// Volumes of a shell whose signal, over the voxel's median of the shell, is for half of the voxels far from 1;
    /// never most of the shell.
    private static func foreign(_ group: [Int], _ rows: [ArraySlice<Float>]) -> [Int] {
        guard group.count > 2, !rows.isEmpty else { return [] }
        let middles = rows.map { row in median(group.map { Double(row[row.startIndex + $0]) })! }
        let found = group.filter { i in
            let ratios = rows.indices.compactMap { v in
                middles[v] > 0 ? Double(rows[v][rows[v].startIndex + i]) / middles[v] : nil
            }
            return !(0.6...1.67).contains(median(ratios) ?? 1)
        }
        return 2 * found.count < group.count ? found : []
    }

    /// The b≈0 volumes, then the weighted ones by rising b, parted where b rises by more than 80 s/mm².
    static func groups(_ a: Acquisition) -> [[Int]] {
        var list = [a.unweightedIndices]
        var last = -Double.infinity
        for i in (0..<a.count).filter({ !a.isUnweighted($0) }).sorted(by: { (a.bValues[$0], $0) < (a.bValues[$1], $1) })
        {
            if a.bValues[i] - last > 80 { list.append([]) }
            last = a.bValues[i]
            list[list.count - 1].append(i)
        }
        return list.map { $0.sorted() }
    }

    static func median(_ values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        return 0.5 * (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2])
    }
}

/// Some voxels of every slice with their tensors.
private struct Sample {
    /// Positions in the mask; and of each slice its members' positions in `voxels`.
    private(set) var voxels: [Int] = [], slices: [(slice: Int, voxels: [Int])] = []
    private var tensors: [QuickTensor] = [], baselines: [Double] = []
    private let acquisition: Acquisition

    init(_ signals: [Float], _ mask: Mask, _ a: Acquisition) {
        acquisition = a
        let m = a.count, size = mask.geometry.shape[0] * mask.geometry.shape[1], n0 = Float(a.unweightedCount)
        let members = Dictionary(grouping: 0..<mask.count) { mask.indices[$0] / size }.sorted { $0.key < $1.key }
        for (slice, list) in members {
            let count = min(list.count, VolumeSurvey.voxelsPerSlice)
            var own: [Int] = []
            for k in 0..<count {
                let v = list[k * list.count / count]
                let mean = a.unweightedIndices.reduce(0) { $0 + signals[v * m + $1] } / n0
                guard mean > 0, mean.isFinite else { continue }
                guard signals[v * m..<v * m + m].allSatisfy(\.isFinite) else { continue }
                own.append(voxels.count)
                voxels.append(v)
            }
            slices.append((slice, own))
        }
    }

    /// Fits a tensor to some of the volumes, or to all where these are too few.
    mutating func fit(_ signals: [Float], _ volumes: [Int]) {
        let m = acquisition.count, part = volumes.count < m ? acquisition.keeping(volumes) : nil
        let chosen = part == nil ? Array(0..<m) : volumes, tables = (part ?? acquisition).tables
        let unweighted = (part ?? acquisition).unweightedIndices.map { chosen[$0] }
        for v in voxels {
            let mean = unweighted.reduce(0) { $0 + signals[v * m + $1] } / Float(unweighted.count)
            tensors.append(QuickTensor.fit(chosen.map { signals[v * m + $0] / mean }, tables))
            baselines.append(Double(mean))
        }
    }

    /// The signal of volume i that the voxel's tensor predicts.
    func prediction(_ v: Int, _ i: Int) -> Double {
        let t = tensors[v], g = acquisition.directions[i], k = acquisition.bValues[i] / 1000
        let (p, q, r) = ((t.axes.0 * g).sum(), (t.axes.1 * g).sum(), (t.axes.2 * g).sum())
        return baselines[v]
            * exp(t.logS0 - k * (t.eigenvalues.x * p * p + t.eigenvalues.y * q * q + t.eigenvalues.z * r * r))
    }
}
