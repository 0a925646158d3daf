/// A matrix in flight: values and, while a tape records, their gradient. Rows × columns, row-major, dense.
public struct Variable<S: Scalar> {
    public let value: UnsafeMutablePointer<S>
    public let gradient: UnsafeMutablePointer<S>?
    public let rows: Int, columns: Int

    public var count: Int { rows * columns }

    public init(value: UnsafeMutablePointer<S>, gradient: UnsafeMutablePointer<S>?, rows: Int, columns: Int) {
        self.value = value
        self.gradient = gradient
        self.rows = rows
        self.columns = columns
    }
}

/// Records the layers as they run forward and runs their `backward` in reverse order.
///
/// Every layer is a `forward`/`backward` pair; the tape only remembers what to call. With `records == false` no
/// gradient memory is taken and nothing is remembered, which is how inference runs the same code.
public final class Tape<S: Scalar> {
    public let arena: Arena
    public let records: Bool
    private var steps: [() -> Void] = []

    public init(arena: Arena = Arena(), records: Bool) {
        self.arena = arena
        self.records = records
    }

    /// A fresh matrix; its gradient, if there is one, starts at zero.
    public func matrix(_ rows: Int, _ columns: Int, zeroed: Bool = false) -> Variable<S> {
        Variable(
            value: arena.take(rows * columns, zeroed: zeroed),
            gradient: records ? arena.take(rows * columns, zeroed: true) : nil, rows: rows, columns: columns)
    }

    /// Data that nothing flows back into.
    public func constant(_ value: UnsafeMutablePointer<S>, _ rows: Int, _ columns: Int) -> Variable<S> {
        Variable(value: value, gradient: nil, rows: rows, columns: columns)
    }

    /// Remembers a layer's backward step.
    public func remember(_ backward: @escaping () -> Void) { if records { steps.append(backward) } }

    /// Runs the remembered backward steps, last first.
    public func backward() {
        for step in steps.reversed() { step() }
        steps.removeAll(keepingCapacity: true)
    }

    /// Forgets everything and takes the memory back.
    public func reset() {
        steps.removeAll(keepingCapacity: true)
        arena.reset()
    }
}
