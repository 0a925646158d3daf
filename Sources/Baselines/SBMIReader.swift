import ModelSpace
import Networks
import Tensors

/// A trained `SBMINetwork` at work, one observation at a time. One a worker thread.
public final class SBMIReader {
    public let network: SBMINetwork
    private let values: [Float], weights: Weights<Float>
    private let tape = Tape<Float>(arena: Arena(blockSize: 4 << 20), records: false)

    public init(_ network: SBMINetwork, weights values: [Float]) {
        Blas.ready
        self.network = network
        self.values = values
        // The array is kept and never written, so its storage does not move.
        weights = Weights(
            values: UnsafeMutablePointer(mutating: self.values.withUnsafeBufferPointer { $0.baseAddress! }),
            packed: PackedLayers(network.layout, values: values))
    }

    public convenience init(_ file: SBMIFile) { self.init(file.network, weights: file.weights) }

    /// The posterior of an observation of M measurements. Shapes: features M × F, summaries G.
    public func read(measurements: Int, features: UnsafePointer<Float>, summaries: UnsafePointer<Float>)
        -> SBMIPosterior
    {
        tape.reset()
        let shape = network.shape
        let latents = network.read(
            tape, weights, features: tape.constant(features, rows: measurements, columns: shape.features),
            summaries: tape.constant(summaries, rows: 1, columns: shape.summaries))
        return SBMIPosterior(
            reader: self, latents: (0..<latents.count).map { latents.value[$0] },
            structures: GrassmannMixture(
                network.structures(tape, weights, latents).numbers(0), bits: shape.components,
                components: network.sbmi.structureComponents))
    }

    fileprivate func parameters(_ latents: [Float], _ z: Structure) -> GaussianMixture {
        tape.reset()
        return latents.withUnsafeBufferPointer { latents in
            let row = tape.constant(latents.baseAddress!, rows: 1, columns: latents.count)
            return GaussianMixture(
                network.parameters(tape, weights, row, [z]).numbers(0), dimensions: network.sbmi.coordinates.count,
                components: network.sbmi.parameterComponents)
        }
    }
}

/// What an `SBMINetwork` says of one observation.
public struct SBMIPosterior {
    private let reader: SBMIReader, latents: [Float]
    /// q(z | y): also of structures that the family does not allow.
    public let structures: GrassmannMixture

    fileprivate init(reader: SBMIReader, latents: [Float], structures: GrassmannMixture) {
        (self.reader, self.latents, self.structures) = (reader, latents, structures)
    }

    /// Draws of the T × Q coordinates from q(θ | z, y), zero where `mask` is.
    public func draws(_ z: Structure, mask: [Float], count: Int, using random: inout RandomSource) -> [[Float]] {
        let normal = reader.parameters(latents, z), places = reader.network.sbmi.coordinates,
            active = places.indices.filter { mask[places[$0]] != 0 }
        return (0..<count).map { _ in
            var x = [Float](repeating: 0, count: mask.count)
            for (i, v) in zip(active, normal.draw(active, using: &random)) { x[places[i]] = Float(v) }
            return x
        }
    }

    /// log q(θ | z, y) of T × Q coordinates, per volume of those that `mask` has.
    public func logDensity(_ coordinates: [Float], _ z: Structure, mask: [Float]) -> Double {
        let places = reader.network.sbmi.coordinates, active = places.indices.filter { mask[places[$0]] != 0 }
        return reader.parameters(latents, z)
            .logDensity(active.map { Double(coordinates[places[$0]]) }, active: active)
    }
}
