import Foundation
import Tensors

/// One JSON line every few seconds of a training run.
public struct TrainingLog {
    private let handle: FileHandle

    public init(path: String, append: Bool) throws {
        if !append || !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(fileURLWithPath: path)) }
        handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try handle.seekToEnd()
    }

    public func append(
        step: Int, simulations: Int, structure: Double, parameter: Double, rate: Double, simulationsPerSecond: Double,
        precision: TrainingPrecision
    ) throws {
        func number(_ x: Double) -> String { x.isFinite ? String(format: "%.6g", x) : "null" }
        let line =
            "{\"step\":\(step),\"simulations\":\(simulations),\"structure_loss\":\(number(structure)),"
            + "\"parameter_loss\":\(number(parameter)),\"rate\":\(number(rate)),"
            + "\"simulations_per_s\":\(number(simulationsPerSecond)),\"precision\":\"\(precision.rawValue)\"}\n"
        try handle.write(contentsOf: Data(line.utf8))
    }
}
