import CommandLineSupport
import Files
import Foundation
import Inference
import Volumes

/// Regions from an image of labels.
enum LabelRegions {
    /// - Parameter of: what the image must share its grid with, by name.
    static func read(
        _ path: String, names: [Int: String], mask: Mask, of fit: String, warn: (String) -> Void
    ) throws -> [VoxelRegion] {
        let image = try VolumeReader(path: path)
        guard image.geometry.volumeCount == 1 else { throw RegionError.series(path: path) }
        try image.geometry.withTrailing([]).requireGrid(of: mask.geometry, path: path, reference: fit)
        let n = image.geometry.voxelsPerVolume
        var values = [Float](repeating: 0, count: n)
        try values.withUnsafeMutableBufferPointer { try image.read(into: $0) }
        try image.finish()
        var inside: [Int: [(Int, Double)]] = [:], all: [Int: Int] = [:]
        for value in values where value > 0 && value.isFinite {
            guard value == value.rounded(), value < 16_777_216 else {
                throw RegionError.noLabels(path: path, value: value)
            }
            all[Int(value), default: 0] += 1
        }
        for (v, voxel) in mask.indices.enumerated() where values[voxel] > 0 && values[voxel].isFinite {
            inside[Int(values[voxel]), default: []].append((v, 1))
        }
        guard !all.isEmpty else { throw RegionError.empty(path: path) }
        let outside = all.values.reduce(0, +) - inside.values.reduce(0) { $0 + $1.count }
        if outside > 0 {
            warn(
                "\(outside) of \(all.values.reduce(0, +)) labelled voxels of \(path) are outside the fit's mask; their "
                    + "regions' numbers are those of the rest")
        }
        return all.keys.sorted().map { VoxelRegion(name: names[$0] ?? "\($0)", voxels: inside[$0] ?? []) }
    }

    /// A number and a name in each line; what follows, and lines without, are passed over.
    static func names(_ path: String) throws -> [Int: String] {
        guard let data = FileManager.default.contents(atPath: path) else { throw RegionError.noNames(path: path) }
        var names: [Int: String] = [:]
        for line in String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace)
            if words.count > 1, let label = Int(words[0]) { names[label] = String(words[1]).printable(longest: 80) }
        }
        guard !names.isEmpty else { throw RegionError.noNames(path: path) }
        return names
    }
}

/// A bundle of streamlines as regions: as a whole, and stretch by stretch along it.
enum BundleRegions {
    static func read(
        _ lines: Streamlines, path: String, nodes: Int, mask: Mask, warn: (String) -> Void
    ) throws -> [VoxelRegion] {
        let geometry = mask.geometry, shape = geometry.spatialShape
        let places = Dictionary(uniqueKeysWithValues: zip(mask.indices, 0...))
        let inverse = geometry.affine.inverse
        var outside = 0.0, total = 0.0
        /// The voxel at a point, by its number among those of the fit.
        func voxel(_ p: SIMD3<Double>) -> Int? {
            let q = inverse(p), ijk = SIMD3(q.x.rounded(), q.y.rounded(), q.z.rounded())
            guard (0..<3).allSatisfy({ ijk[$0] >= 0 && ijk[$0] < Double(shape[$0]) }) else { return nil }
            return places[Int(ijk.x) + shape[0] * (Int(ijk.y) + shape[1] * Int(ijk.z))]
        }
        let step = 0.25 * (geometry.voxelSizes.min() ?? 1)
        var whole: [Int: Double] = [:], stretches = [[Int: Double]](repeating: [:], count: nodes)
        let curves = (0..<lines.count).map { Curve(lines[$0]) }.filter { $0.length > 0 }
        guard let longest = curves.max(by: { $0.length < $1.length }) else { throw RegionError.noLines(path: path) }
        let guide = longest.sampled(nodes + 1)
        for curve in curves {
            let isReversed = curve.runsAgainst(guide)
            // 25 m and more are no streamline's length.
            let pieces = max(nodes, Int(min(curve.length / step, 100_000).rounded(.up)))
            let part = curve.length / Double(pieces)
            for (k, p) in curve.midpoints(pieces).enumerated() {
                total += part
                guard let v = voxel(p) else { outside += part; continue }
                whole[v, default: 0] += part
                let node = min(nodes - 1, k * nodes / pieces)
                stretches[isReversed ? nodes - 1 - node : node][v, default: 0] += part
            }
        }
        guard !whole.isEmpty else { throw RegionError.apart(path: path) }
        if outside > 0.001 * total {
            warn(
                String(format: "%.1f %% of the length of the streamlines of ", 100 * outside / total)
                    + "\(path) is outside the fit's mask and does not count")
        }
        func region(_ name: String, _ weights: [Int: Double]) -> VoxelRegion {
            VoxelRegion(
                name: name, voxels: weights.sorted { $0.key < $1.key }.map { (voxel: $0.key, weight: $0.value) })
        }
        let name = FilePath.name(of: path)
        return [region(name, whole)] + stretches.enumerated().map { region("\(name):\($0.offset + 1)", $0.element) }
    }

    /// A streamline by its length from one end.
    private struct Curve {
        let points: [SIMD3<Double>], lengths: [Double]
        var length: Double { lengths.last ?? 0 }

        init(_ points: ArraySlice<SIMD3<Float>>) {
            self.points = points.map { SIMD3<Double>($0) }
            var lengths = [0.0]
            for (a, b) in zip(self.points, self.points.dropFirst()) {
                lengths.append(lengths.last! + ((b - a) * (b - a)).sum().squareRoot())
            }
            self.lengths = lengths
        }

        /// Points at rising distances from the beginning.
        private func points(at distances: [Double]) -> [SIMD3<Double>] {
            var i = 0
            return distances.map { s in
                while i < lengths.count - 2, lengths[i + 1] < s { i += 1 }
                let span = lengths[i + 1] - lengths[i], t = span > 0 ? (s - lengths[i]) / span : 0
                return points[i] + min(1, max(0, t)) * (points[i + 1] - points[i])
            }
        }

        func sampled(_ n: Int) -> [SIMD3<Double>] { points(at: (0..<n).map { length * Double($0) / Double(n - 1) }) }
        func midpoints(_ n: Int) -> [SIMD3<Double>] {
            points(at: (0..<n).map { length * (Double($0) + 0.5) / Double(n) })
        }

        /// Whether it lies nearer to the guide when it is read from its other end.
        func runsAgainst(_ guide: [SIMD3<Double>]) -> Bool {
            let own = sampled(guide.count)
            func distance(_ a: some Sequence<SIMD3<Double>>) -> Double {
                zip(a, guide).reduce(0) { $0 + (($1.0 - $1.1) * ($1.0 - $1.1)).sum().squareRoot() }
            }
            return distance(own.reversed()) < distance(own)
        }
    }
}

/// Why there is no region to speak of.
enum RegionError: CommandFailure {
    case series(path: String)
    case noLabels(path: String, value: Float)
    case empty(path: String)
    case noNames(path: String)
    case noLines(path: String)
    case apart(path: String)

    var exitStatus: ExitStatus { .badData }

    var description: String {
        switch self {
        case .series(let path): "\(path) holds several volumes; give a 3-D image of labels"
        case .noLabels(let path, let value):
            """
            \(path) holds \(value), which is no whole number: labels must not be interpolated; resample them by \
            nearest neighbour
            """
        case .empty(let path): "\(path) holds no label above 0"
        case .noNames(let path): "\(path) holds no line with a number and a name; give a table of labels"
        case .noLines(let path): "\(path) holds no streamline of any length"
        case .apart(let path):
            "no streamline of \(path) passes through the fit's mask; are both of the same scan, in scanner coordinates?"
        }
    }
}
