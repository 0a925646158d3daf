import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// A line of references/compartments.txt: an attenuation that mpmath computed by other formulae than the package's
/// (compartments.py beside it).
struct CompartmentCase {
    let name: String, numbers: [Double], measurement: DiffusionMeasurement, attenuation: Double

    static let all: [CompartmentCase] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "references/compartments.txt")
        return try! String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line in
            let words = line.split(separator: " "), x = words.dropFirst().map { Double($0)! }, n = x.count
            let timing = x[n - 3] > 0 ? (x[n - 3], x[n - 2]) : nil
            return CompartmentCase(
                name: String(words[0]), numbers: Array(x[..<(n - 7)]),
                measurement: DiffusionMeasurement(
                    b: x[n - 7], g: SIMD3(x[n - 6], x[n - 5], x[n - 4]), smallDelta: timing?.0, bigDelta: timing?.1),
                attenuation: x[n - 1])
        }
    }()
}

/// Every compartment, with its name in the references.
let allCompartments: [(name: String, compartment: any Compartment)] = [
    ("ball", Ball()), ("csf", Ball.csf), ("dot", Dot()), ("stick", Stick()), ("zeppelin", Zeppelin()),
    ("tensor", DiffusionTensor()),
    ("plane", Plane()), ("bundle", StraightBundle()), ("sphere", Sphere()), ("cylinder", Cylinder()),
    ("watson_stick", WatsonStick()),
    ("watson_zeppelin", WatsonZeppelin()),
    ("noddi:averaged-tensor", NODDIBundle()), ("noddi:dispersed", NODDIBundle(extracellular: .dispersed)),
    ("noddi:free", NODDIBundle(extracellular: .averagedTensor, diffusivities: .free)),
    ("bingham_stick", BinghamStick()), ("bingham_zeppelin", BinghamZeppelin()),
    ("noddi_bingham:averaged-tensor", NODDIBinghamBundle()),
    ("noddi_bingham:dispersed", NODDIBinghamBundle(extracellular: .dispersed)),
    ("noddi_bingham:free", NODDIBinghamBundle(extracellular: .dispersed, diffusivities: .free)),
    ("sandi", SANDIBundle()), ("sandi_bingham", SANDIBinghamBundle()),
]

extension Compartment {
    /// Its numbers drawn from the default prior.
    func draw(using random: inout RandomSource) -> [Double] {
        func unit(_ n: Int) -> [Double] {
            let v = (0..<n).map { _ in normalQuantile(max(1e-12, random.uniform())) },
                length = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return v.map { $0 / length }
        }
        return parameters.flatMap { parameter -> [Double] in
            switch parameter.chart {
            case let .logUniform(low, high): [exp(random.uniform(log(low), log(high)))]
            case let .uniform(low, high): [random.uniform(low, high)]
            case .axis: unit(3)
            case .rotation: unit(4)
            case .fixed(let value): [value]
            default: [1]
            }
        }
    }

    /// Attenuations of sixteen samples by the kernels: [sample][measurement].
    func lanes(_ samples: [[Double]], _ design: FormDesign, spread: [Double]? = nil) -> [[Double]] {
        precondition(samples.count == 16)
        var numbers = (0..<max(1, width)).map { i in Lanes((0..<16).map { i < width ? Float(samples[$0][i]) : 0 }) }
        var out = [Float](repeating: .nan, count: 16 * design.count),
            scratch = [Float](repeating: .nan, count: design.scratchCount)
        let rho = spread?.map { Float($0) }
        numbers.withUnsafeMutableBufferPointer { p in
            if let rho {
                attenuations(
                    UnsafePointer(p.baseAddress!), design, spread: rho, scratch: &scratch, into: &out, stride: 16)
            } else {
                attenuations(
                    UnsafePointer(p.baseAddress!), design, spread: nil, scratch: &scratch, into: &out, stride: 16)
            }
        }
        return (0..<16).map { j in (0..<design.count).map { Double(out[16 * $0 + j]) } }
    }
}
