"""Beginnings of delimited files as people have them, with the right delimiter and the
number of the header row."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeadCase:
    name: str
    text: str
    delimiter: str
    header_row: int = 1


def _rows(delimiter: str, *lines: str) -> str:
    """Lines in which "/" separates cells."""
    return "".join(f"{line.replace('/', delimiter)}\n" for line in lines)


HEADS = (
    HeadCase("comma", "id,name,price\n1,Drill,4.50\n2,Saw,3.20\n", ","),
    HeadCase("semicolon", "id;name;price\n1;Drill;4.50\n2;Saw;3.20\n", ";"),
    HeadCase("tab", "id\tname\tprice\n1\tDrill\t4.50\n2\tSaw\t3.20\n", "\t"),
    HeadCase("bar", "id|name|price\n1|Drill|4.50\n2|Saw|3.20\n", "|"),
    HeadCase("caret", "id^name^price\n1^Drill^4,50\n2^Saw^3,20\n", "^"),
    HeadCase("tilde", "id~name~price\n1~Drill~4,50\n2~Saw~3,20\n", "~"),
    HeadCase(
        "unit separator",
        "id\x1fname\x1fprice\n1\x1fDrill\x1f4,50\n2\x1fSaw\x1f3,20\n",
        "\x1f",
    ),
    HeadCase("colon", "user:uid:shell\nroot:0:/bin/sh\nana:1000:/bin/bash\n", ":"),
    HeadCase("space", "id name price\n1 Drill 4.50\n2 Saw 3.20\n", " "),
    HeadCase(
        "one column of two words", "asset name\nDrill big\nSaw small\nLamp\n", ","
    ),
    HeadCase("carriage returns", "id;name\r1;Drill\r2;Saw\r", ";"),
    HeadCase("CR LF", "id;name\r\n1;Drill\r\n2;Saw\r\n", ";"),
    HeadCase("decimal commas", "id;price;weight\n1;4,50;1,2\n2;3,20;0,8\n", ";"),
    HeadCase("decimal commas in every cell", "a;b;c\n1,5;2,5;3,5\n4,5;5,5;6,5\n", ";"),
    HeadCase(
        "decimal commas and units",
        "id;power;price\n1;1,5 kW;1,25 EUR\n2;2,5 kW;2,25 EUR\n",
        ";",
    ),
    HeadCase("decimal commas, two columns", "id;price\n1;1,5\n2;2,5\n3;3,5\n", ";"),
    HeadCase("decimal commas by tab", "id\tprice\n1\t1,50\n2\t2,75\n", "\t"),
    HeadCase(
        "commas in every text",
        "id;note\n1;red, large\n2;blue, small\n3;green, tiny\n",
        ";",
    ),
    HeadCase(
        "semicolons in a list", "id,tags,price\n1,a;b;c,5\n2,d;e;f,6\n3,g;h;i,7\n", ","
    ),
    HeadCase("semicolons in the last cell", "id,note\n1,a;b;c\n2,d;e;f\n", ","),
    HeadCase("bars in a list", "id,tags\n1,a|b|c\n2,d|e|f\n3,g|h|i\n", ","),
    HeadCase(
        "comma in the header",
        "id;name;price, EUR\n1;Ray;4,50\n2;Scott;3,20\n3;Paige;1,99\n",
        ";",
    ),
    HeadCase(
        "dates in words",
        "id;name;note;when;\n1;Ray;pending;April 15, 2026;\n2;Scott;done;April 14, 2026;\n3;Paige;done;April 13, 2026\n",
        ";",
    ),
    HeadCase("times", "id,from,until\n1,08:00:00,16:30:00\n2,09:15:00,17:45:00\n", ","),
    HeadCase("times in one column", "when\n08:00:00\n09:15:00\n10:30:00\n", ","),
    HeadCase(
        "time stamps", "id;at\n1;2026-01-02T08:00:00\n2;2026-01-03T09:15:00\n", ";"
    ),
    HeadCase(
        "addresses of pages",
        "id,url\n1,https://a.example/x\n2,https://b.example/y\n",
        ",",
    ),
    HeadCase(
        "IPv6 addresses",
        "id;address\n1;2001:db8:0:0:0:0:0:1\n2;2001:db8:0:0:0:0:0:2\n",
        ";",
    ),
    HeadCase(
        "MAC addresses",
        "name,mac\nprinter,00:1B:44:11:3A:B7\nscanner,00:1B:44:11:3A:B8\n",
        ",",
    ),
    HeadCase("one column of words", "name\nDrill\nSaw\nLamp\n", ","),
    HeadCase(
        "one column of texts with commas",
        "name\nDrill, big\nSaw\nLamp, red, new\nPump\n",
        ",",
    ),
    HeadCase("one column of numbers", "id\n1\n2\n3\n", ","),
    HeadCase("one row", "id;name;price\n", ";"),
    HeadCase("one row without a line end", "id\tname", "\t"),
    HeadCase("two rows", "a;b\n1;2", ";"),
    HeadCase("blank cells", "id,name,note,price\n1,Drill,,\n2,,,5\n3,Saw,,\n", ","),
    HeadCase("mostly blank cells", "id;a;b;c;d\n1;;;;\n2;;x;;\n3;;;;\n", ";"),
    HeadCase(
        "quoted line ends",
        'id,note\n1,"first; line\nsecond; line"\n2,"x; y\nz; w"\n',
        ",",
    ),
    HeadCase("quoted delimiters", 'id;note\n1;"a,b\nc,d"\n2;"e,f"\n', ";"),
    HeadCase(
        "everything quoted",
        '"id";"name";"price"\n"1";"Drill";"1,50"\n"2";"Saw";"2,50"\n',
        ";",
    ),
    HeadCase(
        "quoted commas by comma",
        '"id","name"\n"1","Drill, big"\n"2","Saw, small"\n',
        ",",
    ),
    HeadCase(
        "doubled quotation marks", 'id,name\n1,"5"" pipe, steel"\n2,"7"" pipe"\n', ","
    ),
    HeadCase("inches", 'id,name,size\n1,pipe,5"\n2,tube,7"\n3,hose,9"\n', ","),
    HeadCase("JSON in cells", 'id;data\n1;{"a": 1, "b": 2}\n2;{"a": 3, "b": 4}\n', ";"),
    HeadCase(
        "quoted JSON in cells",
        'id,data\n1,"{""a"": 1, ""b"": 2}"\n2,"{""a"": 3}"\n',
        ",",
    ),
    HeadCase("trailing delimiters", "id;name;\n1;Drill;\n2;Saw;\n", ";"),
    HeadCase(
        "trailing delimiters of rows only", "id,name\n1,Drill,\n2,Saw,\n3,Lamp,\n", ","
    ),
    HeadCase(
        "header one short",
        "id;name;a;b\n1;Drill;1,5 kW;x;end\n2;Saw;2,5 kW;x;end\n",
        ";",
    ),
    HeadCase(
        "one ragged row", "id,name,price\n1,Drill,5\n2,Saw\n3,Lamp,7\n4,Pump,8\n", ","
    ),
    HeadCase("sep hint", "sep=;\nid;price\n1;1,5\n2;2,5\n", ";", 2),
    HeadCase("sep hint of an unlikely delimiter", "sep=|\na|b\n1,2|3\n", "|", 2),
    HeadCase("sep hint against the vote", "sep=,\na;b,c;d\n1;2,3;4\n", ",", 2),
    HeadCase(
        "title line", "Export of assets\nid,name,price\n1,Drill,5\n2,Saw,6\n", ",", 2
    ),
    HeadCase(
        "title line with a date",
        "Vulnerabilities Export,28 Feb 2026 11:42 AM +00:00\nid,name,note\nV-1,host a,x;y;z\nV-2,host b,u;v\n",
        ",",
        2,
    ),
    HeadCase(
        "padded title line",
        "Assets of 2026;;;\nid;name;price;note\n1;Drill;1,5;x\n2;Saw;2,5;y\n",
        ";",
        2,
    ),
    HeadCase(
        "title and blank line",
        "Assets\n\nid;name;price\n1;Drill;1,5\n2;Saw;2,5\n",
        ";",
        3,
    ),
    HeadCase(
        "title lines with values",
        "Report:;Stock\nCreated:;2026-01-31\n\nid;name;price;place\n1;Drill;1,5;A\n2;Saw;2,5;B\n",
        ";",
        4,
    ),
    HeadCase(
        "comment lines",
        "# exported by tool 1.2\n# do not edit\nid,name\n1,Drill\n2,Saw\n",
        ",",
        3,
    ),
    HeadCase(
        "comment line of the usual width",
        "# id,label\nid,name\n1,Drill\n2,Saw\n",
        ",",
        2,
    ),
    HeadCase("blank lines above", "\n\nid;name\n1;Drill\n2;Saw\n", ";", 3),
    HeadCase(
        "blank delimited lines above",
        ",,\n,,\nid,name,price\n1,Drill,5\n2,Saw,6\n",
        ",",
        3,
    ),
    HeadCase(
        "groups of columns",
        "Asset,Asset,Price,Price\nid,name,net,gross\n1,Drill,5,6\n2,Saw,7,8\n",
        ",",
        2,
    ),
    HeadCase(
        "numbered columns",
        "1;2;3\nid;name;place\nA-1;Drill;Hall\nA-2;Saw;Yard\n",
        ";",
        2,
    ),
    HeadCase("index column without a name", ",id,name\n0,A-1,Drill\n1,A-2,Saw\n", ","),
    HeadCase("years as names", "name,2024,2025\nDrill,ok,bad\nSaw,bad,ok\n", ","),
    HeadCase(
        "names that are texts",
        "Which asset is it?;How much, in EUR?\nDrill;1,50\nSaw;2,50\n",
        ";",
    ),
    HeadCase("same values in the first row", "a,b,c\nx,x,x\nx,x,x\n", ","),
    HeadCase(
        "blank name in the middle", "id,name,,price\n1,Drill,x,5\n2,Saw,y,6\n", ","
    ),
    HeadCase("footer", "id;name;price\n1;Drill;1,5\n2;Saw;2,5\nTotal: 2 rows\n", ";"),
    HeadCase("thousands marks", "id;count\n1;1.000\n2;12.500\n3;2.000.000\n", ";"),
    HeadCase(
        "amounts with commas, quoted", 'id,amount\n1,"1,234.50"\n2,"2,345.00"\n', ","
    ),
    HeadCase(
        "tabs around commas", "id\tnote\n1\ta, b, c\n2\td, e, f\n3\tg, h, i\n", "\t"
    ),
    HeadCase(
        "wide table",
        _rows(
            ",", "/".join(f"c{n}" for n in range(40)), "/".join("7" for _ in range(40))
        ),
        ",",
    ),
    HeadCase(
        "spaces behind delimiters", "id, name, price\n1, Drill, 5\n2, Saw, 6\n", ","
    ),
    HeadCase("Cyrillic", "ид;имя;цена\n1;Дрель;1,5\n2;Пила;2,5\n", ";"),
    HeadCase("Chinese", "编号,名称\n1,电钻\n2,锯子\n", ","),
    HeadCase("name lists", "id;people\n1;Smith, John\n2;Doe, Jane\n3;Roe, Rick\n", ";"),
    HeadCase("coordinates", "name;position\nA;48.1, 11.5\nB;52.5, 13.4\n", ";"),
    HeadCase(
        "file paths", "id;path\n1;C:\\tools\\drill.txt\n2;D:\\tools\\saw.txt\n", ";"
    ),
)
