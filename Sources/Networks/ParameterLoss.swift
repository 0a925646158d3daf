import ModelSpace
import Tensors

extension ParameterDecoder {
    /// Adds weight · Σ_items Σ_active ‖F − F*‖² to the backward pass and returns that sum (unweighted); an item is a
    /// simulation at one noise level.
    @_specialize(where S == Float)
    @_specialize(where S == Double)
    func loss<S>(_ tape: Tape<S>, _ w: Weights<S>, latents: Variable<S>, batch: TrainingBatch, weight: Double) -> Double
    {
        let t = shape.tokens, q = shape.coordinates, items = batch.sigma.count, draws = items / batch.count
        let l = latents.rows / batch.count
        let own = UnsafeMutableBufferPointer<AttentionSegment>.take(tape.arena, items)
        // A voxel's draws stand together: one question to its latents.
        let cross = UnsafeMutableBufferPointer<AttentionSegment>.take(tape.arena, batch.count)
        let group = UnsafeMutableBufferPointer<Int32>.take(tape.arena, items * t)
        let source = UnsafeMutableBufferPointer<Int32>.take(tape.arena, items * t)  // item · T + token of each row
        var rows = 0
        for i in 0..<items {
            let first = rows, b = i / draws
            for token in 0..<t {
                let mask = b * t * q + token * q
                guard (0..<q).contains(where: { batch.mask[mask + $0] != 0 }) else { continue }
                group[rows] = Int32(i)
                source[rows] = Int32(i * t + token)
                rows += 1
            }
            own[i] = AttentionSegment(queries: first..<rows, keys: first..<rows)
            let asked = i % draws == 0 ? first : Int(cross[b].q0)
            cross[b] = AttentionSegment(queries: asked..<rows, keys: b * l..<(b + 1) * l)
        }
        let width = q + t
        let x = tape.constant(tape.arena.take(rows * width, zeroed: true), rows, width)
        for r in 0..<rows {
            let item = Int(source[r]) / t, token = Int(source[r]) % t, b = item / draws
            let sigma = batch.sigma[item], scale = 1 / (1 + sigma * sigma).squareRoot()
            for j in 0..<q where batch.mask[(b * t + token) * q + j] != 0 {
                let clean = Double(batch.coordinates[(b * t + token) * q + j]),
                    noise = Double(batch.noise[(item * t + token) * q + j])
                x.value[r * width + j] = S((clean + sigma * noise) * scale)
            }
            x.value[r * width + q + token] = 1
        }
        let f = forward(
            tape, w, x: x,
            modulation: modulation(
                tape, w, groups: (0..<items).map { (batch.sigma[$0], batch.structures[$0 / draws]) }),
            group: group.baseAddress!, own: UnsafeBufferPointer(own), context: context(tape, w, latents: latents),
            cross: UnsafeBufferPointer(cross))
        var total = 0.0
        for r in 0..<rows {
            let item = Int(source[r]) / t, token = Int(source[r]) % t, b = item / draws
            let sigma = batch.sigma[item], scale = 1 / (1 + sigma * sigma).squareRoot()
            for j in 0..<q where batch.mask[(b * t + token) * q + j] != 0 {
                let clean = Double(batch.coordinates[(b * t + token) * q + j]),
                    noise = Double(batch.noise[(item * t + token) * q + j])
                let error = Double(f.value[r * q + j]) - (sigma * clean - noise) * scale
                total += error * error
                if let g = f.gradient { g[r * q + j] += S(2 * weight * error) }
            }
        }
        return total
    }
}
