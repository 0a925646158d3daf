import Bench
import CommandLineSupport
import Foundation
import Inference
import Tensors
import Training

/// How measurements are printed.
enum BenchTable {
    struct Rows: Encodable { var machine: BenchMachine, rows: [BenchRow] }
    struct Fits: Encodable { var machine: BenchMachine, fits: [PipelineTiming] }
    struct Course: Encodable { var machine: BenchMachine, training: TrainingTiming }

    static func put(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    static func put(_ bench: Bench) {
        put(bench.machine)
        let width = (bench.rows.map { $0.name.count }.max() ?? 0),
            shapeWidth = (bench.rows.map { $0.shape.count }.max() ?? 0)
        print(
            pad("", width) + "  " + pad("", shapeWidth)
                + "  minimum µs   median  reference  GFLOP/s  Gexp/s    GB/s  of ceiling")
        for r in bench.rows {
            func number(_ format: String, _ value: Double?, _ width: Int) -> String {
                let text = value.map { String(format: format, $0) } ?? "–"
                return String(repeating: " ", count: max(0, width - text.count)) + text
            }
            func rate(_ amount: Double) -> Double? { amount > 0 ? 1e-9 * amount / r.time.minimum : nil }
            print(
                pad(r.name, width) + "  " + pad(r.shape, shapeWidth) + "  " + number("%.3f", r.microsecondsPerUnit, 10)
                    + number("%.3f", 1e6 * r.time.median / Double(r.units), 9)
                    + number("%.2f", r.referenceSeconds.map { 1e6 * $0 }, 11)
                    + number("%.1f", rate(r.operations), 9) + number("%.2f", rate(r.exponentials), 8)
                    + number("%.1f", rate(r.bytes), 8)
                    + number("%.0f %%", r.share.map { 100 * $0 }, 7) + (r.ceiling.map { " \($0)" } ?? ""))
        }
    }

    static func put(_ machine: BenchMachine, _ fits: [PipelineTiming]) {
        put(machine)
        print(
            """
            Voxels drawn from the prior; \(fits[0].draws) draws a voxel, \(fits[0].threads) threads. Stages: \
            processor time, µs a voxel.
            """
        )
        for f in fits {
            // What a core would do that nothing else disturbs.
            let core = 1e6 / max(f.stages.reduce(0) { $0 + $1.microsecondsPerVoxel }, 1e-9)
            print(
                String(
                    format:
                        """
                        %@: %.0f voxels/s (%.0f with summaries; %.0f a second of one core's time) over %d voxels, \
                        peak memory so far %.0f MiB
                        """,
                    f.name as NSString, f.voxelsPerSecond, f.voxelsPerSecondSummarised, core, f.voxels,
                    Double(f.peakMemoryBytes) / 1_048_576))
            put(f.stages.map { ($0.name, $0.microsecondsPerVoxel) })
        }
    }

    static func put(_ machine: BenchMachine, _ t: TrainingTiming) {
        put(machine)
        print(
            String(
                format:
                    """
                    %.0f simulations/s on %d threads (%d steps of %d; %d weights), products in %@ precision; %.0f a \
                    second of one core's time, %.1f per GFLOP/s of its ceiling. Stages: processor time, µs a simulation.
                    """,
                t.simulationsPerSecond, t.threads, t.steps, t.batch, t.weights, t.precision.rawValue as NSString,
                t.simulationsPerCoreSecond,
                t.simulationsPerGigaflop))
        put(t.stages.map { ($0.name, $0.microsecondsPerSimulation) })
    }

    private static func put(_ stages: [(String, Double)]) {
        let total = stages.reduce(0) { $0 + $1.1 }
        for (name, time) in stages {
            print("  " + pad(name, 20) + String(format: "%10.1f  %3.0f %%", time, 100 * time / max(total, 1e-9)))
        }
    }

    static func put(_ m: BenchMachine) {
        print(
            "prism-dmri \(m.version)" + (m.commit.map { " (\($0))" } ?? "")
                + ", \(m.processor), \(m.cores) cores, kernels \(m.instructionSet)")
        print(
            String(
                format: "OpenBLAS %@ core %@; ceilings of a core: matrix product %.0f GFLOP/s, exp %.2f G/s",
                m.blasVersion as NSString, m.blasCore as NSString,
                m.gemm, m.exponentials))
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
