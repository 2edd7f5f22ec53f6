//! What Apache Velocity 1.7 itself answers to these templates, and what hostile ones end in.

use super::*;
use proptest::prelude::*;
use serde_json::json;

/// Templates and what Velocity 1.7 renders, with `$name` Bob, `$n` 5, `$list` 1 to 3 and `$m` of `a` and `b`.
const VELOCITY: &[(&str, &str)] = &[
    ("a\n  #if(true)  \n  x\n  #end  \nb", "a\n    x\n  b"),
    ("a #if(true) x #end b", "a  x  b"),
    ("  #set($a = 1)  \nb$a", "b1"),
    ("x #set($a = 1) y", "x  y"),
    ("#set($a = 1)\n\nb", "\nb"),
    ("a #set($a = 1)\nb", "a b"),
    ("#foreach($i in [1..3])\n$i,\n#end\nz", "1,\n2,\n3,\nz"),
    ("#foreach($i in [1..3])$i#if($foreach.hasNext),#end#end", "1,2,3"),
    (
        "$foo.bar ${foo} $!foo $!{foo} $foo.bar() $!foo.bar() $name.length() ${name.length()}x $name.nope $name.nope()",
        "$foo.bar ${foo}   $foo.bar()  3 3x $name.nope $name.nope()",
    ),
    (
        r#"\$name \\$name \\\$name \$foo \\$foo \#if(true)x\#end \$!name \$!foo \${name}"#,
        r#"$name \Bob \$name \$foo \\$foo #if(true)x#end $!name \$!foo ${name}"#,
    ),
    ("a ## comment\nb", "a b"),
    ("a #* multi\nline *# b", "a  b"),
    ("  #* multi *#  \nb", "    \nb"),
    ("  ## x\nb", "  b"),
    ("#[[ $name #if ]]# x", " $name #if  x"),
    (r#"#set($s = "hi $name ${name}x #if(true)y#end") $s #set($t='no $name') $t"#, " hi Bob Bobx y no $name"),
    (r#"#set($x = "a" + 1)$x #set($y = 1 + "a")$y #set($z = $undefined + 1)$z"#, "a11a$z"),
    (
        r#"#if(1 == 1.0)eq#end #if("1" == 1)streq#end #if("a" == 'a')aa#end #if($undefined == $undefined2)nul#end #if($undefined)u#else nu#end #if(!$undefined)not#end"#,
        "eq streq aa nul  nu not",
    ),
    (
        r#"#if("")empty#else falsy#end #if(0)zero#end #if([])l#end #if(1 < 2 && 2 lt 3)lt#end #if(true and not false)and#end #if("a" < "b")ab#else x#end"#,
        " falsy   lt and  x",
    ),
    (
        r#"#set($m.c = 5)$m.c #set($list[0] = 9)$list #set($m["d"]="q")$m #set($nm = {"k": "v", "n": [1, 2]})$nm $nm.k $nm.n"#,
        "5[9, 2, 3]{a=1, b=[x, y], c=5, d=q}{k=v, n=[1, 2]} v [1, 2]",
    ),
    (
        r#"#foreach($e in $m)$e,#end #foreach($e in $m.entrySet())$e.key=$e.value;$e.getKey()#end #foreach($e in "abc")$e#end #foreach($e in $undefined)$e#end"#,
        "1,[x, y], a=1;ab=[x, y];b  ",
    ),
    (
        "#foreach($i in [3..1])$i $velocityCount $foreach.index $foreach.count $foreach.first $foreach.last #end $foreach $i",
        "3 1 0 1 true false 2 2 1 2 false false 1 3 2 3 false true  $foreach $i",
    ),
    ("#foreach($i in [1..5])#if($i==3)#break#end$i#end after", "12 after"),
    ("a #stop b", "a "),
    (
        r#"#macro(hello $a $b)[$a|$b]#end#hello("x" $name) #hello("x", "y") #hello("x") #@hello("q" "r")body#end"#,
        "[x|Bob] [x|y] [x|$b] [q|r]",
    ),
    (r#"#macro(wrap $a)<$a $bodyContent>#end#@wrap("q")bo $name#end"#, "<q bo Bob>"),
    ("#define($blk)Hi $name#set($zz=3)#end$blk $blk $zz", "Hi Bob Hi Bob 3"),
    (r#"#evaluate("x $name #set($ev=4)") $ev"#, "x Bob 4"),
    ("#set($x = $undefined)$x #set($name = $undefined)$name #set($m.a = $undefined)$m", "$xBob{a=1, b=[x, y]}"),
    (r#"#if($name == "Bob" || $x)1#end #if($name != "Bob")2#elseif($n > 4)3#elseif(true)4#else 5#end"#, "1 3"),
    ("#if($list.isEmpty())e#{else}ne#end #set($r=[1..3])$r $r.size() #set($r=[$n..2])$r", "ne[1, 2, 3] 3[5, 4, 3, 2]"),
    (
        r#"$name.toString() $n.toString() $n.intValue() $name.equals("Bob") $name.charAt(1) $name.nope.nope $m.a.b ${m.b.size()} $m.b.size()"#,
        "Bob 5 5 true o $name.nope.nope $m.a.b 2 2",
    ),
    ("x#set($a = \"abc\")#set($b = 1)\ny", "xy"),
    ("#set( $a = {\n  \"x\" : \"y\" , \"z\": $name } )\n$a", "{x=y, z=Bob}"),
    ("#if ($n == 5) a #else  b #end c", " a  c"),
    ("#if($n == 5)\n a\n#elseif($n == 6)\n c\n#else\n  b\n#end\nd", " a\nd"),
    (r#"#set($q = "a ""quoted"" b") $q"#, r#" a "quoted" b"#),
    ("#set($r = 'it''s') $r", " it's"),
    (r#"#set($e="it's #foo $ \$name") $e"#, " it's #foo $ $name"),
    (
        "#set($x = 1 + 2 * 3 - 4 / 2 % 3)$x #set($y = 7 / 2)$y #set($z = 7.0 / 2)$z #set($d = 1/0)$d #set($w = 5 - 3)$w",
        "533.5$d2",
    ),
    ("#set($v = $n-3)$v", "$v"),
    ("#set($v = -7 / 2)$v #set($w = -7 % 3)$w #set($b = $n > 3)$b #set($b = !true)$b", "-3-1truefalse"),
    (
        r#"$m.a $m.b $m.b[0] $m["a"] $m $list $list.get(0) $m.b[0].length() $m["b"][1]"#,
        "1 [x, y] x 1 {a=1, b=[x, y]} [1, 2, 3] 1 1 y",
    ),
    ("#foo #foo(x) # # x #1 #foobar($x) #end_ #123 #fo-o", "#foo #foo(x) # # x #1 #foobar($x) #end_ #123 #fo-o"),
    ("#set ($x = 1) $x #set( $y=2 )$y", " 12"),
    (
        "$ $1 $$name $$ $name$name $name. $name.length $name.. $name.length().foo",
        "$ $1 $Bob $$ BobBob Bob. $name.length Bob.. $name.length().foo",
    ),
    ("${ name}", "${ name}"),
    (r#"#set($x = [1, "a", [2]])$x #set($x={})$x #set($x=[])$x #set($x = true)$x"#, "[1, a, [2]]{}[]true"),
    ("#foreach($i in [1..2])  \n  x$i\n  #end  \ny", "  x1\n    x2\n  y"),
    ("#macro(m1 $a)\n  line $a\n#end\n#m1(\"x\")\n#m1(\"y\")z", "  line x\n  line y\nz"),
    ("#macro(rec $n)$n#if($n > 0)#set($k = $n - 1)#rec($k)#end#end#rec(3)", "3210"),
    (r#"#macro(setter $v)#set($v = "changed")#end#set($q="orig")#setter($q)$q"#, "orig"),
    ("#macro(loc)#set($inside = 1)#end#loc()$inside", "1"),
    ("#define($d)$a-#end#foreach($a in [1..3])$d#end", "$a-$a-$a-"),
    ("#foreach($a in [1..3])#foreach($b in [1..2])$foreach.parent.count$foreach.count #end#end", "11 12 21 22 31 32 "),
    ("#foreach($a in [1..3])#if($a==2)#stop#end$a#end after", "1"),
    ("#set($list2=[])#foreach($i in $list)#if($list2.add($i))#end#end$list2", "[1, 2, 3]"),
    (
        r#"#set($dummy=$list.add(4))$list $!{list.add(4)}x #set($dummy = $m.remove("a"))$m"#,
        "[1, 2, 3, 4] truex {b=[x, y]}",
    ),
    ("#if($n>3&&$n<10)ok#end #if(!($n>3)||$n==5)ok2#end #if($n ge 5 and $n le 5 or false)ok3#end", "ok ok2 ok3"),
    ("#if( $m.a )has#end#if( $m.zz )no#end#if($m.containsKey('a') && $m.a == 1)1#end", "has1"),
    (r#"#if("$!m.zz" == "")blank#end #if("$m.zz" == "")blank#else lit#end"#, "blank  lit"),
    (r#"#set($map = {})$map.put("k", "v")$!map.put("k","w")$map"#, r#"$map.put("k", "v")v{k=w}"#),
    (
        r#"#set($str = "a,b,c")#foreach($p in $str.split(","))$p;#end $str.split(",").size() $str.split(",")[0] $str.split(",").get(1)"#,
        "a;b;c; 3 a b",
    ),
    ("#if ($name == 'Bob') x #elseif ($name == 'z') y #else z #end", " x "),
    ("#if(true)#*c*#x#end|#if(true)##c\nx#end", "x|x"),
    ("a#if(true)\nb#end\n\nc", "ab\nc"),
    (r#""$name" '$name' {"a": "$name", "b": $n}"#, r#""Bob" 'Bob' {"a": "Bob", "b": 5}"#),
    (r#"#set($e = $name.length() + 1)$e #set($f = "$list.size()")$f #set($g = $list.size() > 2)$g"#, "43true"),
    (r#"#set($a.b.c = 1)$a #set($m.x.y = 2)$m #set($m.get("q") = 3)x"#, "$a{a=1, b=[x, y]}x"),
    ("[$m.a] ($m.a) $m.a, $m.a; $m.a: $m.a} $m.a} {$m.a}", "[1] (1) 1, 1; 1: 1} 1} {1}"),
    (r#"#set($x = {"a b": 1, 'c': {"d": [1,2,{"e":"f"}]}})$x.c.d[2].e $x.get("a b") $x["a b"]"#, "f 1 1"),
    ("#set($x = {$name : $n, 1: 2})$x", "{Bob=5, 1=2}"),
    (
        r#"$foo.bar.baz() $!foo.bar.baz() $foo["x"] ${foo["x"]} ${foo.bar}"#,
        r#"$foo.bar.baz()  $foo["x"] ${foo["x"]} ${foo.bar}"#,
    ),
    ("#@foo()x#end", "#@foo()x#end"),
    (
        r#"#macro(big $x $y)$x$y#end#big($name 1)#big($list.size() [1,2])#big({"a":1}, "q$name")"#,
        "Bob13[1, 2]{a=1}qBob",
    ),
    ("#set($x = 1)## trailing\ny", "y"),
    ("#set($x=1)\n  #set($y=2)\n text $x $y #set($z=3) $z\nend", " text 1 2 3\nend"),
    (
        "#foreach( $key in $m.keySet() )\"$key\":\"$m.get($key)\"#if($foreach.hasNext),#end\n\n#end\n",
        "\"a\":\"1\",\n\"b\":\"[x, y]\"\n",
    ),
    ("#macro(ma $a)<$a>#end#ma($undef)", "<$undef>"),
    ("#macro(mb $a)$a$a#end#mb($list.add(7))", "truetrue"),
    ("#if(true)x#end-y", "x-y"),
    ("#if(false)x#else-y#end", "-y"),
    ("#if(false)x#elsefoo#end", ""),
    (r#"\\#if(true)x#end \#foo \\#foo \# \\ \x \\\#if(true)"#, r#"\x \#foo \\#foo \# \\ \x \#if(true)"#),
    (r#"#set($x="a ## b")$x"#, "a "),
    (r##"#set($x="#if($n==5)five#end")$x"##, "five"),
    (r#"#set($x='$name')$x "$x" #set($y="$x")$y"#, r#"$name "$name" $name"#),
    ("#{set}($x=1)$x #{foreach}($i in [1..2])$i#{end}", "1 12"),
    ("#foreach($i in [1..2]) $i #break($foreach) #end", " 1 "),
    ("#break x", ""),
    ("#macro(mc)a#break b#end#mc()c", "ac"),
    ("#define($d1)q#end\n$d1.x #if($d1)t#end", "$d1.x t"),
    ("#* unterminated", ""),
    (r#"$list.get("x") q"#, r#"$list.get("x") q"#),
    (r#"$name.substring("x") q"#, r#"$name.substring("x") q"#),
    ("$m.get(1) $m[1] q", "$m.get(1) $m[1] q"),
    (r#"$!{m.get("zz")}|${m.get("zz")}|$m.zz"#, r#"|${m.get("zz")}|$m.zz"#),
    ("x  #if(true)y#end  \nz", "x  yz"),
    ("x #macro(foo)y#end z", "x  z"),
    ("#macro(foo2)\na\n#end\nz", "z"),
    ("#define($d2)\na\n#end\nz$d2|", "za\n|"),
    ("#if(true)\n\nx\n\n#end\n\ny", "\nx\n\n\ny"),
    ("#evaluate(\"a\")\nb", "ab"),
    (r#"#foreach($x in $list)#set($s = "$!s$x")#end$s"#, "123"),
    (r#"#set($a = 5)#set($a = $a + 1)$a #set($a = "$a")$a.length()"#, "61"),
    ("${m.a}b $m.a.b $m.a..b $m.a.5", "1b $m.a.b 1..b 1.5"),
    (
        r##"$10.00 $name's $name: $name; #hash &#39; <a href="#x">"##,
        r##"$10.00 Bob's Bob: Bob; #hash &#39; <a href="#x">"##,
    ),
    ("$name.toUpperCase().toLowerCase().length() ${name.substring(0,1)}${name.substring(1)}", "3 Bob"),
    (r#"#set($i = $n.parseInt("42"))$i #set($i = $i + 1)$i"#, "4243"),
    ("#if($list.size() > 0 && $list[0] == 1)q#end", "q"),
    (
        "#set($x = $n * 2.5)$x #set($x = $n / 2.0)$x #set($x = 1.0 * 3)$x #set($x = 0.1 + 0.2)$x #set($x = 100000000 * 1.0)$x #set($x = 0.0001 * 1)$x\n",
        "12.52.53.00.300000000000000041.0E81.0E-4\n",
    ),
    (r#"#set($x = !"x")$x"#, "true"),
    ("#foreach($i in $m.keySet())#set($v = $m.get($i))$i=$v #end", "a=1 b=[x, y] "),
    ("#if( $name.length() > 2 and $name.length() < 5 )ok#end#if($n==5 and $m.a==1 or false)ok#end\n", "okok"),
];

fn engine(unresolved: Unresolved, limits: Limits) -> Engine {
    let mut engine = Engine::new(unresolved, limits);
    let pair = engine.heap.list(vec![Value::text("x"), Value::text("y")]).unwrap();
    let map = engine.heap.map([("a".into(), Value::Int(1)), ("b".into(), pair)]).unwrap();
    let list = engine.heap.list((1..=3).map(Value::Int).collect()).unwrap();
    engine.set("m", map);
    engine.set("list", list);
    engine.set("name", Value::text("Bob"));
    engine.set("n", Value::Int(5));
    engine
}

fn render(source: &str) -> Result<String, Error> {
    engine(Unresolved::Literal, Limits::default()).render(&Template::parse(source)?)
}

#[test]
fn renders_what_velocity_renders() {
    for (source, expected) in VELOCITY {
        assert_eq!(render(source).as_deref(), Ok(*expected), "{source}");
    }
}

#[test]
fn refuses_what_velocity_refuses() {
    for source in [
        r#"$!m.zz $m.a $m.b $m.b[0] $m["a"] $m $list $list[5] $list.get(0)"#,
        r#"#set($q = "a ""quoted"" b") $q #set($r = 'it''s') $r #set($e="a\nb\"c") $e"#,
        "#set($x=1)#{if}($x==1)yes#{else}no#{end} #foo #foo(x) # # x #1 #if",
        r#"#include("foo") "#,
        r#"#parse("foo")"#,
        r#"#set($foo = "bar""#,
        "#if(true) x",
        "$name.foo( x",
        "#end",
        "#else",
        "$name.substring(9) x",
        r#"#set($e="a\nb\"c") $e"#,
        "#if",
        "${name",
        "${name }",
        "#foreach($a in []) x #else none #end",
        "#if(true)x#endfoo",
        "#[[a]]#$name#[[b]]# #[[ unterminated",
        r#"#set($x = "unterminated"#,
        "#set($x = [1..])",
        "#set($x = [1,])$x",
        r#"#set($x = {"a":})$x"#,
        "#set($x = )",
        "#set($name)",
        "#if()x#end",
        "#if($n == 5 && )x#end",
    ] {
        assert!(render(source).is_err(), "{source}");
    }
}

#[test]
fn unresolved_references_can_render_as_nothing() {
    let mut engine = engine(Unresolved::Empty, Limits::default());
    let template = Template::parse("[$nope|$m.zz.y|$!nope|$name.nope()|\\$nope]").unwrap();
    assert_eq!(engine.render(&template).unwrap(), "[||||\\$nope]");
}

#[test]
fn arrays_of_the_host_print_as_json_and_maps_as_java_does() {
    let mut engine = engine(Unresolved::Literal, Limits::default());
    let value = engine.heap.import(&json!({"z": [1, "two", {"k": null}], "a": {"b": "c"}})).unwrap();
    engine.set("v", value);
    let template = Template::parse("$v.z $v.a $v").unwrap();
    let text = engine.render(&template).unwrap();
    assert_eq!(text, r#"[1,"two",{"k":null}] {b=c} {z=[1,"two",{"k":null}], a={b=c}}"#);
}

#[test]
fn what_a_template_sets_can_be_read_afterwards() {
    let mut engine = engine(Unresolved::Literal, Limits::default());
    engine.render(&Template::parse("#set($m.c = {\"k\": [1, true, 2.5]})").unwrap()).unwrap();
    let map = engine.get("m").cloned().unwrap();
    assert_eq!(engine.heap.export(&map).unwrap(), json!({"a": 1, "b": ["x", "y"], "c": {"k": [1, true, 2.5]}}));
}

#[test]
fn hostile_templates_end_in_an_error() {
    let deep = "(".repeat(10_000);
    let nested = "#if(true)".repeat(10_000);
    for source in [
        "#macro(f)#f()#end#f()",
        "#define($d)$d#end$d",
        "#set($s = 'aaaaaaaaaa')#foreach($i in [1..500])#set($s = \"$s$s\")#end",
        "#foreach($i in [1..1001])#end",
        "#set($r = [0..9000000000000000000])",
        "#set($l = [1])#set($x = $l.add($l))$l",
        "#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])$c#end#end#end",
        "#set($e = '#evaluate($e)')#evaluate($e)",
        "#set($s = 'x')$s.repeat(2000000000)",
        "#set($s = 'x')$s.matches('(x{1000}){1000}')",
        "#set($a = [1])#foreach($i in [1..1000])#set($a = [$a])#end$a",
        &format!("#set($x = {deep}"),
        &nested,
    ] {
        assert!(render(source).is_err(), "{:.60}", source);
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(source in ".*") {
        let _ = render(&source);
    }

    #[test]
    fn no_template_like_text_makes_the_engine_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "$", "!", "{", "}", "(", ")", "[", "]", "#", "#if", "#set", "#end", "#else", "#elseif", "#foreach", "#macro",
            "#define", "#evaluate", "#break", "#stop", "name", "list", "m", ".", "..", "add", "substring", "get", "split",
            "\"", "'", "\\", " ", "\n", "in", "=", "==", "+", "-", "*", "/", "%", "1", "-1", "2.5", "true", "or", "not",
            ",", ":", "##", "#*", "*#", "#[[", "]]#", "é", "$x", "$name", "$list", "$m",
        ]), 0..40),
    ) {
        let _ = render(&pieces.concat());
    }

    #[test]
    fn text_without_markup_renders_as_itself(source in "[^$#\\\\]*") {
        prop_assert_eq!(render(&source).unwrap(), source);
    }
}
