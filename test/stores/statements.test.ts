import { describe, expect, test } from 'vitest'
import { splitStatements } from '../../src/stores/statements.js'

describe('the statements of a script', () => {
  test('end with a semicolon that stands in no text, name or comment', () => {
    expect(splitStatements('SELECT 1; SELECT \';\', ";" -- ; no\n; /* ; */ SELECT 2', 'mysql')).toEqual([
      'SELECT 1',
      'SELECT \';\', ";" -- ; no',
      '/* ; */ SELECT 2',
    ])
    expect(splitStatements("SELECT 'it''s;'; SELECT 2;;\n -- the end", 'postgres')).toEqual(["SELECT 'it''s;'", 'SELECT 2'])
  })
  test("in MySQL's: backslashes escape, # comments, `;` is a name, and /*! is run", () => {
    expect(splitStatements("SELECT 'a\\';b' # ;\n, `;`; /*!40101 SET NAMES utf8; */; SELECT 1--;1", 'mysql')).toEqual([
      "SELECT 'a\\';b' # ;\n, `;`",
      '/*!40101 SET NAMES utf8',
      '*/',
      'SELECT 1--',
      '1',
    ])
  })
  test("in MySQL's: DELIMITER changes what ends one", () => {
    const script = `CREATE TABLE t (a INT);
DELIMITER $$
CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END$$
delimiter //
CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 4 / 2; END //
DELIMITER ;
SELECT 3;`
    expect(splitStatements(script, 'mysql')).toEqual([
      'CREATE TABLE t (a INT)',
      'CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END',
      'CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 4 / 2; END',
      'SELECT 3',
    ])
  })
  test("in PostgreSQL's: dollars quote, E'' escapes, comments nest, and BEGIN ATOMIC is one body", () => {
    const body = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN ';$$;'; END $body$"
    const atomic = 'CREATE FUNCTION g(a int) RETURNS int BEGIN ATOMIC SELECT CASE WHEN a > 1 THEN 1 END; SELECT 2; END'
    const plain = "SELECT E'a\\';b', 'c\\', a$b$c /* ; /* ; */ ; */"
    expect(splitStatements(`${body}; ${atomic}; ${plain}; SELECT 1`, 'postgres')).toEqual([body, atomic, plain, 'SELECT 1'])
  })
  test('of nothing are none; one that does not end is one', () => {
    expect(splitStatements(' -- nothing\n ; /* */ ;', 'postgres')).toEqual([])
    expect(splitStatements("SELECT 'not ended; SELECT 2", 'mysql')).toEqual(["SELECT 'not ended; SELECT 2"])
    expect(splitStatements('SELECT $a$ not ended; SELECT 2', 'postgres')).toEqual(['SELECT $a$ not ended; SELECT 2'])
  })
})
