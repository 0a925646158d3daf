import Files
import Foundation
import Inference
import Parallel
import Volumes

/// The ways in which outputs can fail before a file is begun.
public enum ReportingError: Error, Equatable, CustomStringConvertible {
    case gridMismatch(directory: String, archive: [Int], image: [Int])
    case noVoxels(directory: String)
    /// An archive whose draws were not kept, of which more was asked than structures' probabilities.
    case noDraws(directory: String)
    /// A `fit.json` that no fit wrote.
    case badProvenance(path: String, reason: String)

    public var description: String {
        switch self {
        case let .gridMismatch(directory, archive, image):
            """
            \(directory): the fit is of an image of \(archive) voxels but the geometry given has \(image); use the \
            image that was fitted
            """
        case let .noVoxels(directory): "\(directory): the fit holds no voxel; check the mask and fit again"
        case let .noDraws(directory):
            """
            \(directory) kept no draws (--keep structures): of such a fit only maps of structure probabilities can be \
            made again (maps, export --format bids); fit again with --keep draws for more
            """
        case let .badProvenance(path, reason): "\(path): \(reason); fit again, or restore the file from a copy"
        }
    }
}

extension ReportingError: LocalizedError {
    public var errorDescription: String? { description }
}

/// One file to be written, independent of all others, so that files can be computed and compressed in parallel.
struct OutputJob: Sendable {
    var path: String
    /// Volumes to write, or as many as would take as long: long jobs start first.
    var cost: Int
    var body: @Sendable () throws -> Void

    static func run(_ jobs: [OutputJob], threads: Int, counter: ProgressCounter) throws {
        let ordered = jobs.enumerated().sorted { ($1.element.cost, $0.offset) < ($0.element.cost, $1.offset) }.map(
            \.element)
        try forEachInParallel(ordered.count, threads: threads) { i in
            try ordered[i].body()
            counter.add(ordered[i].cost)
        }
    }
}

/// Adds up finished work from several threads.
final class ProgressCounter: @unchecked Sendable {
    private let lock = NSLock()
    private var done = 0
    private let total: Int
    private let report: @Sendable (Int, Int) -> Void

    init(total: Int, report: @escaping @Sendable (Int, Int) -> Void) {
        self.total = total
        self.report = report
    }

    func add(_ work: Int) {
        lock.lock()
        defer { lock.unlock() }
        done += work
        report(done, total)
    }
}

/// Everything that the writers of one fit share.
struct OutputContext: Sendable {
    var archive: PosteriorArchive
    var summary: PosteriorSummary
    var mask: Mask
    var directory: String
    var provenance: FitProvenance
    /// Where FSL's files lie (`FSLOutputs.place`).
    var fslPlace: String
    /// For jobs that are long enough to be shared.
    var threads = 1
    /// Fibres whose mean fraction is smaller are left out of peaks and fixels: what FSL's users know as thr0.05.
    var fractionThreshold: Float = 0.05

    var geometry: VolumeGeometry { mask.geometry }
    /// K, D and S.
    var fibres: Int { DrawColumn.fibreCount }
    var drawCount: Int { summary.metadata.drawCount }
    var sampleCount: Int { summary.metadata.sampleCount }

    /// A map whose volume t is filled by `values(t, buffer)`, one number a voxel. Values that are not finite become 0.
    func map(
        _ name: String, trailing: [Int] = [], meaning: ImageMeaning = .init(),
        values: @escaping @Sendable (Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) -> OutputJob {
        let path = directory + "/" + name
        return OutputJob(path: path, cost: trailing.reduce(1, *)) {
            try VolumeWriter.write(
                path, mask: mask, trailing: trailing, as: Float.self, description: provenance.shortDescription,
                meaning: meaning
            ) { t, buffer in
                try values(t, buffer)
                for v in buffer.indices where !buffer[v].isFinite { buffer[v] = 0 }
            }
        }
    }

    /// A map whose volumes are columns of the summary.
    func map(_ name: String, _ columns: [SummaryColumn]) -> OutputJob {
        map(
            name, trailing: columns.count == 1 ? [] : [columns.count],
            meaning: ImageMeaning(columns[0], summary.metadata)
        ) { t, buffer in copy(columns[t], buffer) }
    }

    /// A map of small whole numbers.
    func bytes(
        _ name: String, meaning: ImageMeaning = .init(.label), _ value: @escaping @Sendable (Int) -> UInt8
    ) -> OutputJob {
        let path = directory + "/" + name
        return OutputJob(path: path, cost: 1) {
            try VolumeWriter.write(
                path, mask: mask, as: UInt8.self, description: provenance.shortDescription, meaning: meaning
            ) {
                _, buffer in
                for v in buffer.indices { buffer[v] = value(v) }
            }
        }
    }

    /// A small text file, replaced as a whole.
    func text(_ name: String, _ text: String) -> OutputJob {
        let path = directory + "/" + name
        return OutputJob(path: path, cost: 0) { try write(Data(text.utf8), to: path) }
    }

    func copy(_ column: SummaryColumn, _ buffer: UnsafeMutableBufferPointer<Float>) {
        summary.column(column).withUnsafeBufferPointer { source in
            for v in buffer.indices { buffer[v] = source[v] }
        }
    }

    /// Calls `body(v, x, y, z, f)` with the mean axis (scanner frame) and mean fraction of a fibre in every voxel.
    func forEachAxis(_ fibre: Int, _ body: (_ v: Int, _ axis: SIMD3<Float>, _ fraction: Float) -> Void) {
        let x = summary.column(.direction(fibre, axis: 0)), y = summary.column(.direction(fibre, axis: 1))
        let z = summary.column(.direction(fibre, axis: 2)), f = summary.column(.statistic(.fraction(fibre), .mean))
        x.withUnsafeBufferPointer { x in
            y.withUnsafeBufferPointer { y in
                z.withUnsafeBufferPointer { z in
                    f.withUnsafeBufferPointer { f in
                        for v in 0..<summary.count { body(v, SIMD3(x[v], y[v], z[v]), f[v]) }
                    }
                }
            }
        }
    }

    /// Calls `body(v, axis, f)` with what the s-th equally weighted draw says of a fibre, in every voxel whose draw has
    /// it.
    func forEachDraw(_ fibre: Int, _ s: Int, _ body: (_ v: Int, _ axis: SIMD3<Float>, _ fraction: Float) -> Void) {
        for shard in archive.shards {
            forEachDraw(shard, 0..<shard.count, s..<s + 1) { v, _, draw in
                if let (axis, fraction) = draw[fibre] { body(v, axis, fraction) }
            }
        }
    }

    /// Calls `body(v, s, draw)` with the equally weighted draws `samples` of voxels of a shard.
    @inline(__always)
    func forEachDraw(
        _ shard: PosteriorShard, _ voxels: Range<Int>, _ samples: Range<Int>,
        _ body: (_ v: Int, _ s: Int, _ draw: MatchedDraw) -> Void
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: drawCount * DrawColumn.count) { values in
            for i in voxels {
                let v = shard.first + i
                // Chosen draws rise with s.
                let first = summary.draw(v, samples.lowerBound), last = summary.draw(v, samples.upperBound - 1)
                guard summary.isFitted(v) else {
                    values.update(repeating: 0)
                    for s in samples { body(v, s, MatchedDraw(values: values.baseAddress!, assignment: .none)) }
                    continue
                }
                shard.readFibres(i, first...last, into: values.baseAddress!)
                for s in samples {
                    let d = summary.draw(v, s)
                    let draw = values.baseAddress! + (d - first) * DrawColumn.count
                    body(v, s, MatchedDraw(values: draw, assignment: summary.assignments[v * drawCount + d]))
                }
            }
        }
    }
}

/// A draw and which of its sticks follow which fibres.
struct MatchedDraw {
    fileprivate let values: UnsafePointer<Float>
    fileprivate let assignment: FibreAssignment

    /// Axis (scanner frame) and fraction of a fibre; nil when the draw lacks it.
    @inline(__always)
    subscript(fibre: Int) -> (axis: SIMD3<Float>, fraction: Float)? {
        guard let j = assignment.stick(fibre) else { return nil }
        let mu = values + DrawColumn.direction + 3 * j
        return (SIMD3(mu[0], mu[1], mu[2]), values[DrawColumn.fraction + j])
    }

    /// Axis and fraction of every fibre that the draw has, matched with those of others or not.
    @inline(__always)
    func forEachFibre(_ body: (_ axis: SIMD3<Float>, _ fraction: Float) -> Void) {
        for j in 0..<DrawColumn.fibreCount where values[DrawColumn.fraction + j] > 0 {
            let mu = values + DrawColumn.direction + 3 * j
            body(SIMD3(mu[0], mu[1], mu[2]), values[DrawColumn.fraction + j])
        }
    }

    /// Signal-to-noise ratio, and S0 over the mean b≈0 signal.
    var snr: Float { values[DrawColumn.snr] }
    var scale: Float { values[DrawColumn.scale] }
}
