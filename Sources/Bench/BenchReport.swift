import CKernels
import Foundation
import Tensors

/// One kernel at one size: checked against its plain reference, then timed.
public struct BenchRow: Codable, Sendable {
    public var name: String, shape: String
    /// Processor seconds a call, over repeats.
    public var time: Stopwatch.Timing
    /// How many things (evaluations, voxels, draws) a call does, and the minimum time of one, µs.
    public var units = 1, microsecondsPerUnit: Double
    /// Of one call: multiplications and additions, exponentials (and logarithms), bytes read and written.
    public var operations = 0.0, exponentials = 0.0, bytes = 0.0
    /// What bounds it (`gemm` or `exp`), and the share of that ceiling that its minimum time reaches.
    public var ceiling: String?, share: Double?
    /// Largest deviation from the reference, in the units of `tolerance`, and the reference's own seconds where it was
    /// timed.
    public var deviation: Double, tolerance: Double, referenceSeconds: Double? = nil
}

/// The machine and the program, and what this processor could do at best.
public struct BenchMachine: Codable, Sendable {
    public var processor: String, cores: Int, instructionSet: String, blasVersion: String, blasCore: String,
        threads: Int, version: String
    /// Of the checkout the program stands in; nil elsewhere.
    public var commit: String?
    /// A 512 × 512 × 512 matrix product, GFLOP/s a core; the package's exp over 64 K floats, 1e9 a second a core.
    public var gemm = 0.0, exponentials = 0.0

    public init(threads: Int, repeats: Int, version: String, commit: String?) {
        let cpu = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = cpu.split(separator: "\n").first { $0.hasPrefix("model name") }?.split(separator: ":").last
        processor = model.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
        cores = ProcessInfo.processInfo.activeProcessorCount
        instructionSet = String(cString: pk_instruction_set())
        blasCore = Blas.prepare()
        blasVersion = Blas.version
        self.threads = threads
        self.version = version
        self.commit = commit
        let n = 512
        var a = [Float](repeating: 0.5, count: n * n), b = a, c = a
        let product = Stopwatch.time(repeats: max(5, repeats)) {
            Float.gemm(
                transposeA: false, transposeB: false, rows: n, columns: n, depth: n, alpha: 1, a: &a, aStride: n, b: &b,
                bStride: n, beta: 0, c: &c,
                cStride: n)
        }
        gemm = 2e-9 * Double(n * n * n) / product.minimum
        let x = (0..<65536).map { Float(-20 + Double($0) / 3276.8) }
        var y = x
        exponentials = 1e-9 * 65536 / Stopwatch.time(repeats: max(5, repeats)) { pk_exp_f32(x, &y, 65536) }.minimum
    }
}

/// A kernel that does not do what its reference does: nothing it measures would mean anything.
public struct BenchError: Error, CustomStringConvertible {
    public var kernel: String, shape: String, deviation: Double, tolerance: Double
    public var description: String {
        String(
            format:
                """
                the kernel '%@' (%@) is off its plain reference by %.3g, tolerated is %.3g; this build is not to be \
                used
                """,
            kernel as NSString,
            shape as NSString, deviation, tolerance)
    }
}

/// Checks and times kernels, row by row.
public struct Bench {
    public let machine: BenchMachine
    public let repeats: Int
    public private(set) var rows: [BenchRow] = []

    public init(machine: BenchMachine, repeats: Int) {
        self.machine = machine
        self.repeats = repeats
    }

    /// - Parameters:
    ///   - deviation: how far the kernel's results are from the reference's.
    ///   - reference: timed too when given.
    mutating func add(
        _ name: String, _ shape: String, operations: Double = 0, exponentials: Double = 0, bytes: Double = 0,
        units: Int = 1, deviation: Double,
        tolerance: Double, reference: (() -> Void)? = nil, _ body: () -> Void
    ) throws {
        guard deviation <= tolerance else {
            throw BenchError(kernel: name, shape: shape, deviation: deviation, tolerance: tolerance)
        }
        let time = Stopwatch.time(repeats: repeats, body)
        var row = BenchRow(
            name: name, shape: shape, time: time, units: units, microsecondsPerUnit: 1e6 * time.minimum / Double(units),
            operations: operations,
            exponentials: exponentials, bytes: bytes, deviation: deviation, tolerance: tolerance)
        row.referenceSeconds = reference.map { Stopwatch.time(repeats: min(repeats, 3), $0).minimum }
        // Whichever ceiling would take longer is the one that binds.
        let product = 1e-9 * operations / machine.gemm, exponential = 1e-9 * exponentials / machine.exponentials
        if max(product, exponential) > 0 {
            row.ceiling = product > exponential ? "gemm" : "exp"
            row.share = max(product, exponential) / row.time.minimum
        }
        rows.append(row)
    }

    /// Largest |a − b| / (1 + |b|).
    static func deviation(_ a: some Sequence<Float>, _ b: some Sequence<Double>) -> Double {
        zip(a, b).reduce(0) { max($0, $1.0.isFinite ? abs(Double($1.0) - $1.1) / (1 + abs($1.1)) : .infinity) }
    }
}
